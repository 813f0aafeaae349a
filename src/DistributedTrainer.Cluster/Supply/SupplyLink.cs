using System.Diagnostics;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>One connection to a coordinator: one question at a time.</summary>
internal sealed class SupplyLink(Nodes.DataSource source) : IFrameHandler, IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    private readonly object _gate = new();
    private byte[] _room = [];
    private byte[] _refusal = [];
    private int? _expected;
    private FrameHeader _question;
    private string? _problem;
    private bool _waits;
    private int _length;

    public Nodes.DataSource Source => source;

    public IChannel? Channel { get; set; }

    /// <summary>Asks and waits.</summary>
    /// <param name="question">Its header.</param>
    /// <param name="length">Bytes of the answer; null: any.</param>
    /// <param name="patience">So long for the answer.</param>
    /// <param name="isGivenUp">Whether nobody waits any more.</param>
    /// <returns>Good until the next question; null: given up.</returns>
    /// <exception cref="IOException">No answer.</exception>
    /// <exception cref="ChannelClosedException">The coordinator is gone.</exception>
    public ReadOnlyMemory<byte>? Ask(in FrameHeader question, int? length, TimeSpan patience, Func<bool> isGivenUp)
    {
        lock (_gate)
        {
            (_question, _expected, _waits) = (question, length, true);
        }

        Channel!.Send(question, []);
        var begin = Stopwatch.GetTimestamp();
        lock (_gate)
        {
            while (_waits)
            {
                var reason = _problem ?? (Stopwatch.GetElapsedTime(begin) > patience ? $"no answer within {patience.TotalSeconds} s" : null);
                if (reason is not null)
                {
                    throw new IOException($"the coordinator ({Channel.Peer}) sent no data: {reason}");
                }

                if (isGivenUp())
                {
                    return null;
                }

                Monitor.Wait(_gate, Look);
            }

            return _room.AsMemory(0, _length);
        }
    }

    public Span<byte> Reserve(IChannel channel, in FrameHeader header)
    {
        lock (_gate)
        {
            if (_waits && Answers(header) && header.PayloadBytes is > 0 and <= SupplyFrames.MaximumDescriptionBytes && header.PayloadBytes == (_expected ?? header.PayloadBytes))
            {
                _room = _room.Length >= header.PayloadBytes ? _room : new byte[header.PayloadBytes];
                return _room.AsSpan(0, header.PayloadBytes);
            }
        }

        if (header is { Kind: FrameKind.Refused, PayloadBytes: > 0 and <= 4096 })
        {
            return _refusal = new byte[header.PayloadBytes];
        }

        Break($"a {header.Kind} frame of {header.PayloadBytes} bytes was not expected");
        return [];
    }

    public void Complete(IChannel channel, in FrameHeader header)
    {
        if (header.Kind == FrameKind.Refused)
        {
            Break(Encoding.UTF8.GetString(_refusal));
        }
        else if (header.PayloadBytes > 0 && header.Count != SupplyFrames.CheckOf(_room.AsSpan(0, header.PayloadBytes)))
        {
            Break("it was damaged on the way");
        }
        else
        {
            lock (_gate)
            {
                (_waits, _length) = (false, header.PayloadBytes);
                Monitor.PulseAll(_gate);
            }
        }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
    }

    public void Closed(IChannel channel, string reason) => Break(reason);

    public void Dispose() => Channel?.Dispose();

    private bool Answers(in FrameHeader header) =>
        header.Kind == FrameKind.Reply && header.Flags == _question.Flags && SupplyFrames.RangeOf(header) == SupplyFrames.RangeOf(_question);

    private void Break(string problem)
    {
        lock (_gate)
        {
            _problem ??= problem;
            Monitor.PulseAll(_gate);
        }
    }
}
