using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>What a server node serves in one run; frames are routed to it by partition.</summary>
internal sealed class ServedRun
{
    public required IReadOnlyDictionary<int, Partition> Partitions { get; init; }

    /// <summary>How gradients are made smaller, for messages.</summary>
    public string Compression => Partitions.Values.First().Compression;

    /// <summary>The boards of the lead partition, where this node has it.</summary>
    public StatisticsBoard? Statistics { get; init; }

    public EvaluationBoard? Evaluations { get; init; }

    /// <summary>Where the norm of a step is put together; null where it is not clipped.</summary>
    public NormBoard? Norms { get; init; }

    /// <summary>Called with the name a worker gave itself when its connection closed.</summary>
    public required Action<string, string> LinkLost { get; init; }
}

/// <summary>What the flags of a push say.</summary>
internal static class PushFlags
{
    /// <summary>The sender has pushed all it has of the step, and waits for the next version: a frame less for each partition.</summary>
    public const byte WantsNext = 1;

    /// <summary>
    /// With a payload: a sum that may still turn out not to be finite; it is kept. Without: it is judged, as the other flags
    /// say, and is to be taken.
    /// </summary>
    public const byte Open = 8;

    /// <summary>The sender has the version of the step, with the optimizer's state: an update makes the next one.</summary>
    public const byte HasState = 64;

    /// <summary>The payload is as the codec of the run writes it.</summary>
    public const byte Written = 128;

    // What is wrong with the numbers, from this bit on: two bits.
    private const int FaultShift = 1;
    private const byte FaultBits = 3;

    // What the version asks for that the push was computed with, from this bit on: two bits.
    private const int AskShift = 4;
    private const byte AskBits = 3;

    /// <summary>Whether the push says of a sum that was sent before that it may be taken.</summary>
    public static bool Closes(in FrameHeader push) => push.Kind == FrameKind.Push && (push.Flags & Open) != 0 && push.PayloadBytes == 0;

    /// <summary>The flags that carry what is wrong with the numbers.</summary>
    public static byte Carry(LeafFault fault) => (byte)((byte)fault << FaultShift);

    /// <summary>What is wrong with the numbers.</summary>
    public static LeafFault FaultIn(byte flags) => (LeafFault)(flags >> FaultShift & FaultBits);

    /// <summary>The flags that carry what the version asks for.</summary>
    public static byte Carry(CheckpointAsk ask) => (byte)((byte)ask << AskShift);

    /// <summary>What the version asks for.</summary>
    public static CheckpointAsk AskIn(byte flags) => (CheckpointAsk)(flags >> AskShift & AskBits);
}

/// <summary>What the flags of a request say.</summary>
internal static class RequestFlags
{
    /// <summary>
    /// The sender waits for version Step, and wants to know how far the partition is. The answer has the same Count, the
    /// version that is there, and a bit for each shard whose leaf of its step has not come. Without it: a worker's name.
    /// </summary>
    public const byte Question = 1;

    /// <summary>In the Count of a question: the sender has version Step, and only wants to know that somebody is there.</summary>
    public const long SignOfLife = 0;
}

/// <summary>The server's end of one worker's connection: finds the place for each payload, and hands it on when it is whole.</summary>
internal sealed class ServerConnection(Func<ServedRun?> served) : IFrameHandler
{
    /// <summary>In the Count of a refusal: the frame belongs to an older assignment, and the worker will hear of the new one.</summary>
    public const long StaleGeneration = 1;

    private readonly byte[] _name = new byte[256];
    private LeafBuffer? _leaf;
    private ColumnSums? _sums;
    private EvaluationSums? _evaluation;
    private IncomingVector? _vector;
    private double[]? _squares;
    private byte[]? _introduction;
    private string? _worker;

    // What was served when a place was found for the payload that is under way.
    private ServedRun? _reservedIn;

    public Span<byte> Reserve(IChannel channel, in FrameHeader header)
    {
        if (IsName(header) && header.PayloadBytes <= _name.Length)
        {
            return _name.AsSpan(0, header.PayloadBytes);
        }

        var refusal = "this node serves no such partition";
        var stale = false;
        if (served() is { } run && run.Partitions.TryGetValue(header.Partition, out var partition))
        {
            stale = header.Generation < partition.Generation;
            _reservedIn = run;
            switch (header.Kind)
            {
                case var _ when header.Run != partition.Run:
                    refusal = "the frame belongs to another run";
                    break;
                case FrameKind.Statistics or FrameKind.Evaluation or FrameKind.Norm when header.Generation < partition.LoadedIn:
                    refusal = $"generation {header.Generation} is older than the state, which generation {partition.LoadedIn} has loaded";
                    break;
                case FrameKind.Push when PushFlags.Closes(header):
                    // It is taken when it is complete.
                    return [];
                case FrameKind.Push:
                    _leaf = partition.Reserve(header, out refusal);
                    if (_leaf is not null && IsEarly(run, header))
                    {
                        partition.Abandon(_leaf);
                        _leaf = null;
                    }

                    if (_leaf is not null)
                    {
                        return (header.Flags & PushFlags.Written) != 0 ? _leaf.Written(header.PayloadBytes) : MemoryMarshal.AsBytes(_leaf.Own);
                    }

                    // Not taken, so that it is never complete: what it asks for is answered all the same.
                    Answer(channel, header, partition);
                    break;
                case FrameKind.Statistics when run.Statistics is { } board:
                    _sums = board.Reserve(header, partition.Version, out refusal);
                    if (_sums is not null)
                    {
                        return MemoryMarshal.AsBytes(_sums.Values.AsSpan());
                    }

                    break;
                case FrameKind.Evaluation when header.Step < partition.Version:
                    // Everybody else has gone on: so may this worker.
                    channel.Post(run.Evaluations?.Late(header) ?? EvaluationBoard.NoVerdict(header), new OwnBytes([]));
                    return [];
                case FrameKind.Evaluation:
                    _evaluation = header.Step == partition.Version ? run.Evaluations?.Reserve(header) : null;
                    if (_evaluation is not null)
                    {
                        return _evaluation.Payload;
                    }

                    refusal = $"the evaluation of version {header.Step}, shard {header.Index}, with {header.PayloadBytes} bytes does not fit version {partition.Version}";
                    break;
                case FrameKind.Norm when run.Norms is { } norms:
                    // What is ahead belongs to a course that was given up: no other server can be further than this one.
                    refusal = norms.Problem(header);
                    _squares = refusal is null && header.Step <= partition.Version ? new double[norms.BlocksOf(header.Index)] : null;
                    if (_squares is not null)
                    {
                        return MemoryMarshal.AsBytes(_squares.AsSpan());
                    }

                    break;
                case FrameKind.Residual:
                    var residual = partition.ReserveResidual(header, out refusal);
                    if (refusal is null)
                    {
                        return residual;
                    }

                    break;
                case FrameKind.Restore:
                    _vector = partition.ReserveRestore(header, out refusal);
                    if (_vector is not null)
                    {
                        return _vector.Bytes;
                    }

                    break;
                case FrameKind.Pull when partition.IsLoose && header.PayloadBytes > 0 && header.PayloadBytes <= LooseMember.LongestName + ushort.MaxValue:
                    _introduction = new byte[header.PayloadBytes];
                    return _introduction;
                case FrameKind.Pull or FrameKind.PullSnapshot or FrameKind.PullResidual or FrameKind.Request when header.PayloadBytes == 0:
                    // It is answered when it is complete.
                    return [];
                default:
                    refusal = $"a frame of kind {header.Kind} is not for a server";
                    break;
            }
        }

        if (refusal is not null)
        {
            Refuse(channel, header, refusal, stale);
        }

        return [];
    }

    public bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease)
    {
        if (header.Kind != FrameKind.Push || served() is not { } run || !run.Partitions.TryGetValue(header.Partition, out var partition))
        {
            return false;
        }

        if (header.Run != partition.Run || (header.Generation == partition.Generation && IsEarly(run, header)))
        {
            // Not taken where it lies: it is refused or dropped in Reserve.
            return false;
        }

        var stale = header.Generation < partition.Generation;
        if (partition.Accept(header, lease) is { } refusal)
        {
            Refuse(channel, header, refusal, stale);
        }

        Answer(channel, header, partition);
        return true;
    }

    public void Complete(IChannel channel, in FrameHeader header)
    {
        if (IsName(header))
        {
            _worker = Encoding.UTF8.GetString(_name.AsSpan(0, header.PayloadBytes));
            return;
        }

        if (_vector is { } vector)
        {
            _vector = null;
            vector.Partition.CompleteRestore(vector);
            return;
        }

        if (served() is not { } run || !run.Partitions.TryGetValue(header.Partition, out var partition))
        {
            // A frame without payload has been refused already.
            if (header.PayloadBytes > 0)
            {
                Refuse(channel, header, "this node serves no such partition", stale: false);
            }

            return;
        }

        if (header.Run != partition.Run)
        {
            // Refused already, as above.
            return;
        }

        if (header.PayloadBytes > 0 && !ReferenceEquals(run, _reservedIn))
        {
            // Training has gone back while it was under way: it belongs to a course that was given up. Its step may be ahead of
            // all that comes now, and would keep that out.
            Abandoned(channel, header);
            return;
        }

        switch (header.Kind)
        {
            case FrameKind.Push when PushFlags.Closes(header):
                var stale = header.Generation < partition.Generation;
                if ((IsEarly(run, header) ? null : partition.Close(header)) is { } refusal)
                {
                    Refuse(channel, header, refusal, stale);
                }

                Answer(channel, header, partition);
                break;
            case FrameKind.Push when _leaf is { } leaf:
                _leaf = null;
                if ((header.Flags & PushFlags.Written) != 0 && !leaf.TryRead(header.PayloadBytes))
                {
                    partition.Abandon(leaf);
                    Refuse(channel, header, $"node {new TreeNode(header.Level, header.Index)} of step {header.Step} is damaged: its {header.PayloadBytes} bytes are not what {run.Compression} writes", stale: false);
                    break;
                }

                partition.Complete(header, leaf);
                Answer(channel, header, partition);
                break;
            case FrameKind.Statistics when _sums is { } sums:
                _sums = null;
                run.Statistics!.Complete(channel, header, sums);
                break;
            case FrameKind.Evaluation when _evaluation is { } evaluation:
                _evaluation = null;
                run.Evaluations!.Complete(channel, header, evaluation);
                break;
            case FrameKind.Norm when _squares is { } squares:
                _squares = null;
                run.Norms!.Complete(channel, header, squares);
                break;
            case FrameKind.PullSnapshot when partition.SendSnapshot(channel, header) is { } missing:
                Refuse(channel, header, missing, stale: false);
                break;
            case FrameKind.Residual:
                partition.CompleteResidual(header);
                break;
            case FrameKind.PullResidual when partition.SendResidual(channel, header) is { } absent:
                Refuse(channel, header, absent, header.Generation < partition.Generation);
                break;
            case FrameKind.Pull when _introduction is { } introduction:
                _introduction = null;
                partition.Join(channel, header, introduction);
                break;
            case FrameKind.Pull:
                Pull(channel, header, partition, header.Step);
                break;
            case FrameKind.Request when header.Step > partition.NextVersion && !partition.IsLoose:
                Refuse(channel, header, Ahead(header.Step, partition), stale: false);
                break;
            case FrameKind.Request:
                partition.Ask(channel, header);
                break;
        }
    }

    public void Abandoned(IChannel channel, in FrameHeader header)
    {
        if (_leaf is { } leaf)
        {
            _reservedIn!.Partitions[header.Partition].Abandon(leaf);
        }

        _vector?.Dispose();
        (_leaf, _sums, _evaluation, _vector, _squares, _introduction) = (null, null, null, null, null, null);
    }

    public void Closed(IChannel channel, string reason)
    {
        if (served() is not { } run)
        {
            return;
        }

        foreach (var partition in run.Partitions.Values)
        {
            partition.Forget(channel);
        }

        run.Statistics?.Forget(channel);
        run.Evaluations?.Forget(channel);

        if (_worker is not null)
        {
            run.LinkLost(_worker, reason);
        }
    }

    private static bool IsName(in FrameHeader header) => header.Kind == FrameKind.Request && (header.Flags & RequestFlags.Question) == 0;

    /// <summary>
    /// A gradient whose moments have not come, which are sent before it: they were lost, or overtaken. It is not taken, so
    /// that it is asked for again with them; no step may be applied without them.
    /// </summary>
    private static bool IsEarly(ServedRun run, in FrameHeader push) =>
        ((push.Flags & PushFlags.Open) == 0 || push.PayloadBytes == 0) && push.Partition == PartitionId.Lead.Value && run.Statistics?.Covers(push.Step, new TreeNode(push.Level, push.Index)) == false;

    /// <summary>Whoever pushes the last of a step asks for the version that comes of it. A late one has got it, or asks on its own.</summary>
    private static void Answer(IChannel channel, in FrameHeader push, Partition partition)
    {
        if ((push.Flags & PushFlags.WantsNext) == 0)
        {
            return;
        }

        if (partition.IsLoose)
        {
            partition.WantNext(channel, push);
        }
        else if (push.Step <= partition.Version)
        {
            partition.Pull(channel, partition.After(push.Step), PullForms.InPush(push.Flags));
        }
    }

    private static void Pull(IChannel channel, in FrameHeader header, Partition partition, long version)
    {
        // Whoever has pushed a step waits for the next version: a further one would only be waited for for ever.
        if ((version > partition.NextVersion && !partition.IsLoose) || !partition.Pull(channel, version, PullForms.In(header.Flags)))
        {
            var reason = version > partition.Version ? Ahead(version, partition) : $"version {version} is no longer kept";
            Refuse(channel, header, reason, header.Generation < partition.Generation);
        }
    }

    private static string Ahead(long version, Partition partition) => $"version {version} is ahead of version {partition.Version}";

    private static void Refuse(IChannel channel, in FrameHeader header, string reason, bool stale)
    {
        var bytes = Encoding.UTF8.GetBytes(reason);
        ChannelTraffic.CountRefused();

        // The refused kind travels in Flags.
        var refusal = header with { Kind = FrameKind.Refused, Flags = (byte)header.Kind, Count = stale ? StaleGeneration : 0, PayloadBytes = bytes.Length };
        channel.Post(refusal, new OwnBytes(bytes));
    }
}
