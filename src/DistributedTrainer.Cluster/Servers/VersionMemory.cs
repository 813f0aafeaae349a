using DistributedTrainer.Cluster.Planning;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Memory for the versions of a server's partitions: two slabs, one for even steps and one for odd ones, in which the partitions
/// lie one behind the other. So a worker reads a tensor that lies across the border of two partitions where it lies.
/// </summary>
internal sealed class VersionMemory
{
    // A cache line of float32.
    private const int Alignment = 16;

    // Half of what can be allocated at once; nobody shares so large a model between processes of one host in pieces.
    private const long MostFloats = 1 << 28;

    private readonly Lock _gate = new();
    private readonly Dictionary<int, (int Offset, int Length)> _places = [];
    private readonly SharedFloats?[] _slabs = new SharedFloats?[Slabs];
    private readonly int[] _users = new int[Slabs];
    private readonly long _length;

    /// <param name="plan">The run.</param>
    /// <param name="partitions">Those of the server.</param>
    public VersionMemory(TrainingPlan plan, IEnumerable<int> partitions)
    {
        foreach (var id in partitions.Order())
        {
            var length = plan.VersionLength(plan.Ranges[id]);
            _places[id] = ((int)Math.Min(_length, MostFloats), length);
            _length += (length + Alignment - 1) / Alignment * Alignment;
        }
    }

    /// <summary>Even and odd steps have one each.</summary>
    public const int Slabs = 2;

    /// <summary>A partition's place in a slab, with any content; it is to be taken once, and disposed of.</summary>
    public SharedFloats Take(int partition, int slab)
    {
        var (offset, length) = _places[partition];
        if (_length > MostFloats)
        {
            return new SharedFloats(length);
        }

        lock (_gate)
        {
            _users[slab]++;
            return (_slabs[slab] ??= new SharedFloats((int)_length)).Slice(offset, length, () => Return(slab));
        }
    }

    private void Return(int slab)
    {
        lock (_gate)
        {
            if (--_users[slab] == 0)
            {
                _slabs[slab]!.Dispose();
                _slabs[slab] = null;
            }
        }
    }
}
