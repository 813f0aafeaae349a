using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Experiments;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>A worker's connections to the server nodes, one a node: pushes go out here, and what comes back fills the inbox.</summary>
internal sealed partial class ServerLinks(TrainingPlan plan, WorkerInbox inbox, string name, string host, string transport, ResendTimes? times = null)
    : IDisposable
{
    private readonly Dictionary<string, ServerLink> _links = [];

    // Those that are in use: what the step thread walks through.
    private ServerLink[] _used = [];

    // An array, since walking through a list behind an interface allocates.
    private readonly PartitionRange[] _ranges = [.. plan.Ranges];
    private readonly ServerLink?[] _byPartition = new ServerLink?[plan.Ranges.Count];
    private bool _disposed;
    private long _bytes;

    /// <summary>What servers have to know of who pulls; empty: nothing.</summary>
    public byte[] Introduction { get; set; } = [];

    /// <summary>The same run in another mode: what servers have to know is told anew.</summary>
    public void Follow(TrainingPlan changed) => (plan, Introduction) = (changed, []);

    /// <summary>Bytes of the frames that were sent and received so far.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Whether the pass over the leaves and the way of what it needs and makes go on at the same time.</summary>
    public bool Overlaps { get; private set; }

    /// <summary>This worker's place at the board of the lead partition's server; null: it has none.</summary>
    public BoardSeat? Seat => _byPartition[0]?.Channel.Seat;

    /// <summary>Connects to what is not connected yet; a connection to a node that is still named stays.</summary>
    /// <param name="routes">Where the partitions are.</param>
    /// <param name="threads">Threads that compute on this host; 0: it is not known.</param>
    /// <exception cref="ChannelClosedException">A server cannot be reached.</exception>
    public void Connect(IReadOnlyList<Route> routes, int threads = 0)
    {
        // First of all: a connection that closes from here on is either seen to be closed below, or tells it, and that stays.
        inbox.Mend();
        var stay = routes.Select(static route => route.Node.Value).ToHashSet();
        foreach (var link in Take(link => !stay.Contains(link.Server) || !link.Channel.IsOpen))
        {
            link.Retire();
        }

        foreach (var route in routes)
        {
            _byPartition[route.Partition.Value] = Find(route.Node.Value) ?? Add(Open(route));
        }

        _used = [.. _byPartition.OfType<ServerLink>().Distinct()];
        Overlaps = Overlap.Pays(plan.Overlap, plan.Model.Layout.Length, routes.Any(route => route.Host != host), threads, Environment.ProcessorCount);
    }

    /// <summary>
    /// Sends a partition's part of what is computed of a step, before it is known whether all of it is finite: the server
    /// keeps it, and takes it when the push of the step says so.
    /// </summary>
    public void PushOpen(long generation, long step, PartitionRange range, List<(TreeNode Node, NodeGradient Gradient)> nodes)
    {
        FirstOpen = range.Id;
        foreach (var (node, gradient) in nodes)
        {
            Push(generation, step, range, node, gradient, PushFlags.Open);
        }
    }

    /// <summary>From this partition on sums have left before they were judged.</summary>
    public int FirstOpen { get; private set; } = plan.Ranges.Count;

    /// <summary>A pass begins, or is run again: nothing of it has left.</summary>
    public void BeginPass() => FirstOpen = _ranges.Length;

    /// <summary>
    /// Sends what was computed of a step, and asks for the next version with it. What is sent may be read in place: it must
    /// not be changed until it is released.
    /// </summary>
    public void Push(long generation, long step, IReadOnlyList<(TreeNode Node, NodeGradient Gradient)> nodes)
    {
        foreach (var range in _ranges)
        {
            LinkTo(range.Id).BytesUnderWay = 0;
        }

        foreach (var range in _ranges)
        {
            LinkTo(range.Id).BytesUnderWay += plan.WidthOf(range) * sizeof(float);
        }

        // Before anything is sent: the answer may come at once.
        var asks = inbox.Want(plan.After(step), Overlaps);
        for (var i = 0; i < nodes.Count; i++)
        {
            var flags = (byte)(PushFlags.Carry(inbox.Ask) | (asks && i == nodes.Count - 1 ? PushFlags.WantsNext : 0));
            foreach (var range in _ranges)
            {
                if (range.Id >= FirstOpen)
                {
                    Close(generation, step, range, nodes[i].Node, nodes[i].Gradient, flags);
                }
                else
                {
                    Push(generation, step, range, nodes[i].Node, nodes[i].Gradient, flags);
                }

                CrashPoint.Reach("worker.mid-push", step);
            }
        }

        // What is sent again is sent whole.
        BeginPass();
        if (asks && nodes.Count == 0)
        {
            SendPulls(generation, plan.After(step));
        }
    }

    private void Push(long generation, long step, PartitionRange range, TreeNode node, NodeGradient gradient, byte flags)
    {
        var link = LinkTo(range.Id);
        var written = plan.Codec is not null && link.IsNetwork;
        var payload = written ? gradient.ShareWritten(range.Id) : gradient.Share(range.Id);
        var bytes = payload.Bytes.Length;
        link.Channel.Post(PushHeader(generation, step, range, node, gradient, (byte)(flags | (written ? PushFlags.Written | HasState(range, step) : 0))), payload);
        link.BytesUnderWay += bytes;
        Count(bytes);
    }

    private int HasState(PartitionRange range, long step) => inbox.FormOf(range.Id, step + 1) == PullForm.Update ? PushFlags.HasState : 0;

    // What is pulled over a network may come as a gradient.
    private byte FormOf(int partition, long version) =>
        PullForms.Flags(plan.Codec is not null && LinkTo(partition).IsNetwork ? inbox.FormOf(partition, version) : PullForm.Plain);

    // Posted, so that it follows what was pushed.
    private void Close(long generation, long step, PartitionRange range, TreeNode node, NodeGradient gradient, byte flags)
    {
        var link = LinkTo(range.Id);
        link.Channel.Post(PushHeader(generation, step, range, node, gradient, (byte)(flags | PushFlags.Open)), OwnBytes.None);
        link.BytesUnderWay += range.Length * sizeof(float);
        Count(0);
    }

    private FrameHeader PushHeader(long generation, long step, PartitionRange range, TreeNode node, NodeGradient gradient, byte flags) =>
        Header(FrameKind.Push, generation, step, range.Id) with
        {
            Level = node.Level,
            Index = node.Index,
            Rows = gradient.Rows,
            Sum = gradient.LossSum,
            Count = inbox.Verdict.Packed,
            Flags = (byte)(flags | PushFlags.Carry(gradient.Fault)),
        };

    public void PushStatistics(long generation, long step, int layer, byte flags, TreeNode node, ColumnSums sums)
    {
        var header = Header(FrameKind.Statistics, generation, step, 0) with
        {
            Level = node.Level,
            Index = node.Index,
            Rows = (int)(sums.Rows / plan.Model.BatchNorms[layer].Positions),
            Count = layer,
            Flags = flags,
        };
        Send(header, MemoryMarshal.AsBytes(sums.Values.AsSpan()));
    }

    public void PushEvaluation(long generation, long version, int shard, EvaluationSums sums) =>
        Send(Header(FrameKind.Evaluation, generation, version, 0) with { Index = shard }, sums.Payload);

    /// <summary>Sends what a step leaves of a shard's gradients to all partitions.</summary>
    public void PushResidual(long generation, long step, int shard, ReadOnlySpan<float> residual)
    {
        foreach (var range in _ranges)
        {
            Send(Header(FrameKind.Residual, generation, step, range.Id) with { Index = shard }, MemoryMarshal.AsBytes(residual.Slice(range.Offset, range.Length)));
        }
    }

    /// <summary>Asks all partitions for their part of a shard's residual.</summary>
    public void PullResidual(long generation, long version, int shard)
    {
        foreach (var range in _ranges)
        {
            Send(Header(FrameKind.PullResidual, generation, version, range.Id) with { Index = shard }, []);
        }
    }

    /// <summary>Asks for a version, once; it comes as soon as it is there.</summary>
    public void Pull(long generation, long version)
    {
        if (inbox.Want(version, Overlaps))
        {
            SendPulls(generation, version);
        }
    }

    /// <summary>Hands over what has come, on this thread. To be ended by <see cref="Unattend"/>; nothing is sent in between.</summary>
    public void Poll()
    {
        foreach (var link in _used)
        {
            if (link.IsAttended || (link.IsAttended = link.Channel.TryAttend()))
            {
                link.Channel.Poll();
            }
        }
    }

    /// <summary>What comes from now on is handed over by the channels.</summary>
    public void Unattend()
    {
        foreach (var link in _used)
        {
            if (link.IsAttended)
            {
                link.IsAttended = false;
                link.Channel.Unattend();
            }
        }
    }

    private void SendPulls(long generation, long version)
    {
        foreach (var range in _ranges)
        {
            Send(Header(FrameKind.Pull, generation, version, range.Id) with { Flags = FormOf(range.Id, version) }, Introduction);
        }
    }

    /// <summary>Closes all connections, also one that is just being opened; whoever sends gets an exception.</summary>
    public void Dispose()
    {
        lock (_links)
        {
            _disposed = true;
        }

        foreach (var link in Take(static _ => true))
        {
            link.Retire();
        }
    }

    private ServerLink[] Take(Predicate<ServerLink> which)
    {
        lock (_links)
        {
            var taken = _links.Values.Where(link => which(link)).ToArray();
            foreach (var link in taken)
            {
                _links.Remove(link.Server);
            }

            return taken;
        }
    }

    private ServerLink? Find(string server)
    {
        lock (_links)
        {
            return _links.GetValueOrDefault(server);
        }
    }

    private ServerLink Add(ServerLink link)
    {
        lock (_links)
        {
            if (!_disposed)
            {
                _links.Add(link.Server, link);
                return link;
            }
        }

        link.Retire();
        throw new ChannelClosedException("links: closed while connecting");
    }

    /// <summary>What a server has to say to the others: on the thread that hands it over, with nothing remembered.</summary>
    private void Relay(ServerLink from, FrameHeader header, byte[] bytes)
    {
        foreach (var link in Volatile.Read(ref _used))
        {
            if (!ReferenceEquals(link, from))
            {
                link.Channel.Post(header with { Partition = Array.IndexOf(_byPartition, link) }, new OwnBytes(bytes));
                Count(bytes.Length);
            }
        }
    }

    private void Send(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var link = LinkTo(header.Partition);
        try
        {
            link.Channel.Send(header, payload);
            Count(payload.Length);
        }
        catch (ChannelClosedException lost)
        {
            inbox.Break(link.Server, lost.Message);
            throw;
        }
    }

    private void Count(int payloadBytes) => Interlocked.Add(ref _bytes, FrameFormat.HeaderBytes + payloadBytes);

    private ServerLink LinkTo(int partition) =>
        _byPartition[partition] ?? throw new InvalidOperationException($"links: no route to partition {partition} was given.");

    private FrameHeader Header(FrameKind kind, long generation, long step, int partition) =>
        new() { Kind = kind, Run = plan.Token, Generation = generation, Step = step, Partition = partition };

    private ServerLink Open(Route route)
    {
        var link = new ServerLink(route.Node.Value, inbox, Count, _times.Clock, Relay);
        try
        {
            link.Channel = RouteChannel.Open(route, transport, host, plan.Token, name, link, plan.Certificates);
            return link;
        }
        catch (ChannelClosedException lost)
        {
            inbox.Break(link.Server, lost.Message);
            throw;
        }
    }
}
