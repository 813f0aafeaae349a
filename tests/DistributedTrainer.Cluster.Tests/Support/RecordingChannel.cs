using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>A channel that only notes what is posted.</summary>
internal sealed class RecordingChannel : IChannel
{
    private readonly List<(FrameHeader Header, byte[] Payload)> _posted = [];

    public string Peer => "test";

    public bool IsOpen => true;

    /// <summary>Whether payloads are kept by the reader for a while, as by a slow worker.</summary>
    public bool Slow { get; init; }

    /// <summary>Whether boards can be handed over, as within a host.</summary>
    public bool IsNear { get; init; }

    /// <summary>The seat that was handed over last.</summary>
    public BoardSeat? Given { get; private set; }

    /// <summary>Payloads that a slow worker has not read yet.</summary>
    public List<IPayload> Held { get; } = [];

    public IReadOnlyList<(FrameHeader Header, byte[] Payload)> Posted
    {
        get
        {
            lock (_posted)
            {
                return [.. _posted];
            }
        }
    }

    public (FrameHeader Header, byte[] Payload) Last => Posted[^1];

    public bool TryShare(SharedBoard board, int seat)
    {
        Given = IsNear ? new BoardSeat(board, seat) : null;
        return IsNear;
    }

    public void Send(in FrameHeader header, ReadOnlySpan<byte> payload) => throw new NotSupportedException();

    public void Post(in FrameHeader header, IPayload payload)
    {
        lock (_posted)
        {
            _posted.Add((header, payload.Bytes.ToArray()));
        }

        if (Slow)
        {
            Held.Add(payload);
        }
        else
        {
            payload.Release();
        }
    }

    public float[] Floats(int index) => MemoryMarshal.Cast<byte, float>(Posted[index].Payload).ToArray();

    public string Text(int index) => Encoding.UTF8.GetString(Posted[index].Payload);

    public void Dispose()
    {
    }
}
