using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Dashboard.Mirroring;

/// <summary>A file as far as it is here. One that grows is written as it comes, one that is replaced when it is whole.</summary>
/// <param name="path">Where.</param>
/// <param name="name">Its name, one of <see cref="RunFileNames.All"/>.</param>
internal sealed class MirroredFile(string path, string name)
{
    private readonly MemoryStream _whole = new();
    private long _length;
    private long _stamp;
    private byte[] _witness = [];

    /// <summary>Up to where it is here; null: nothing is.</summary>
    public RunFiles.Mark? Mark { get; private set; }

    /// <summary>Takes what follows. A piece that does not follow makes that the file is asked for anew.</summary>
    /// <returns>Whether the file here is another one now.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public bool Take(RunFiles.Piece piece)
    {
        if (piece.Length < 0)
        {
            var was = Mark is not null;
            Forget();
            File.Delete(path);
            return was;
        }

        var grows = RunFileNames.Grows(name);
        var follows = piece.Offset == 0 || (piece.Offset == _length && piece.Stamp == _stamp && Mark is not null);
        if (!follows || piece.Offset + piece.Bytes.Length > piece.Length || (!grows && piece.Length > RunFileNames.LargestReplaced))
        {
            Forget();
            return false;
        }

        if (grows)
        {
            using var stream = new FileStream(path, piece.Offset == 0 ? FileMode.Create : FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            stream.Write(piece.Bytes);
        }
        else
        {
            Gather(piece);
        }

        byte[] known = piece.Offset == 0 ? piece.Bytes : [.. _witness, .. piece.Bytes];
        (_length, _stamp) = (piece.Offset + piece.Bytes.Length, piece.Stamp);
        _witness = grows ? known[Math.Max(0, known.Length - RunFileNames.WitnessLength)..] : [];
        Mark = new RunFiles.Mark(name, _length, _stamp, _witness);
        return true;
    }

    private void Gather(RunFiles.Piece piece)
    {
        if (piece.Offset == 0)
        {
            _whole.SetLength(0);
        }

        _whole.Write(piece.Bytes);
        if (_whole.Length == piece.Length)
        {
            File.WriteAllBytes(path + ".tmp", _whole.ToArray());
            File.Move(path + ".tmp", path, overwrite: true);
            _whole.SetLength(0);
            _whole.Capacity = 0;
        }
    }

    private void Forget()
    {
        _whole.SetLength(0);
        (_length, _stamp, _witness, Mark) = (0, 0, [], null);
    }
}
