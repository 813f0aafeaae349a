using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Reduction;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>A worker's connections to the server nodes, one a node: pushes go out here, and what comes back fills the inbox.</summary>
internal sealed class ServerLinks(TrainingPlan plan, WorkerInbox inbox, string name, string host, string transport) : IDisposable
{
    private readonly Dictionary<string, Link> _links = [];

    // An array, since walking through a list behind an interface allocates.
    private readonly PartitionRange[] _ranges = [.. plan.Ranges];
    private readonly Link?[] _byPartition = new Link?[plan.Ranges.Count];
    private bool _disposed;
    private long _bytes;

    /// <summary>Bytes of the frames that were sent and received so far.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Connects to what is not connected yet; a connection to a node that is still named stays.</summary>
    /// <exception cref="ChannelClosedException">A server cannot be reached.</exception>
    public void Connect(IReadOnlyList<Route> routes)
    {
        var stay = routes.Select(static route => route.Node.Value).ToHashSet();
        foreach (var link in Take(link => !stay.Contains(link.Server) || !link.Channel.IsOpen))
        {
            link.Retire();
        }

        inbox.Mend();
        foreach (var route in routes)
        {
            _byPartition[route.Partition.Value] = Find(route.Node.Value) ?? Add(Open(route));
        }
    }

    /// <summary>
    /// Sends what was computed of a step, and asks for the next version with it. What is sent may be read in place: it must
    /// not be changed until it is released.
    /// </summary>
    public void Push(long generation, long step, IReadOnlyList<(TreeNode Node, NodeGradient Gradient)> nodes)
    {
        // Before anything is sent: the answer may come at once.
        var asks = inbox.Want(step + 1);
        for (var i = 0; i < nodes.Count; i++)
        {
            var flags = (byte)(PushFlags.Carry(inbox.Ask) | (asks && i == nodes.Count - 1 ? PushFlags.WantsNext : 0));
            var (node, gradient) = nodes[i];
            foreach (var range in _ranges)
            {
                var header = Header(FrameKind.Push, generation, step, range.Id) with
                {
                    Level = node.Level,
                    Index = node.Index,
                    Rows = gradient.Rows,
                    Sum = gradient.LossSum,
                    Count = inbox.Verdict.Packed,
                    Flags = flags,
                };
                LinkTo(range.Id).Channel.Post(header, gradient.Share(range.Id));
                Count(range.Length * sizeof(float));
            }
        }

        if (asks && nodes.Count == 0)
        {
            SendPulls(generation, step + 1);
        }
    }

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

    /// <summary>Asks for a version, once; it comes as soon as it is there.</summary>
    public void Pull(long generation, long version)
    {
        if (inbox.Want(version))
        {
            SendPulls(generation, version);
        }
    }

    private void SendPulls(long generation, long version)
    {
        foreach (var range in _ranges)
        {
            Send(Header(FrameKind.Pull, generation, version, range.Id), []);
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

    private Link[] Take(Predicate<Link> which)
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

    private Link? Find(string server)
    {
        lock (_links)
        {
            return _links.GetValueOrDefault(server);
        }
    }

    private Link Add(Link link)
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

    private Link LinkTo(int partition) =>
        _byPartition[partition] ?? throw new InvalidOperationException($"links: no route to partition {partition} was given.");

    private FrameHeader Header(FrameKind kind, long generation, long step, int partition) =>
        new() { Kind = kind, Run = plan.Token, Generation = generation, Step = step, Partition = partition };

    private Link Open(Route route)
    {
        var link = new Link(this, inbox, route.Node.Value);
        try
        {
            link.Channel = RouteChannel.Open(route, transport, host, plan.Token, name, link);
            return link;
        }
        catch (ChannelClosedException lost)
        {
            inbox.Break(link.Server, lost.Message);
            throw;
        }
    }

    /// <summary>The worker's end of one connection.</summary>
    private sealed class Link(ServerLinks links, WorkerInbox inbox, string server) : IFrameHandler
    {
        private byte[] _refusal = [];
        private volatile bool _retired;

        public string Server => server;

        public IChannel Channel { get; set; } = null!;

        public void Retire()
        {
            _retired = true;
            Channel.Dispose();
        }

        public Span<byte> Reserve(IChannel channel, in FrameHeader header)
        {
            switch (header.Kind)
            {
                case FrameKind.Parameters:
                    var place = inbox.PlaceFor(header.Partition, header.Step);
                    return place.Length * sizeof(float) == header.PayloadBytes ? MemoryMarshal.AsBytes(place) : [];
                case FrameKind.StatisticsTotal:
                    var total = inbox.PlaceForTotal(header.Count, (header.Flags & StatisticsFlags.Backward) != 0);
                    return total?.Values.Length * sizeof(double) == header.PayloadBytes ? MemoryMarshal.AsBytes(total!.Values.AsSpan()) : [];
                case FrameKind.Refused when header.PayloadBytes <= 4096:
                    _refusal = new byte[header.PayloadBytes];
                    return _refusal;
                default:
                    return [];
            }
        }

        private bool Borrow(in FrameHeader header, IPayloadLease lease)
        {
            if (!inbox.Borrow(header, lease))
            {
                return false;
            }

            links.Count(header.PayloadBytes);
            return true;
        }

        public bool Offer(IChannel channel, in FrameHeader header, IPayloadLease lease) =>
            header.Kind == FrameKind.Parameters && Borrow(header, lease);

        public void Complete(IChannel channel, in FrameHeader header)
        {
            links.Count(header.PayloadBytes);
            switch (header.Kind)
            {
                case FrameKind.Parameters:
                    inbox.Arrived(header);
                    break;
                case FrameKind.StatisticsTotal:
                    inbox.TotalArrived(header.Count, (header.Flags & StatisticsFlags.Backward) != 0, header.Step, header.Rows);
                    break;
                case FrameKind.Verdict:
                    inbox.VerdictArrived(header.Generation, header.Step, header.Count, (header.Flags & EvaluationBoard.StopFlag) != 0);
                    break;
                case FrameKind.Refused when header.Count == ServerConnection.StaleGeneration:
                    // The new assignment is under way, and everything is pushed again under it.
                    break;
                case FrameKind.Refused:
                    inbox.Break(server, $"the server refused {(FrameKind)header.Flags}: {Encoding.UTF8.GetString(_refusal)}");
                    break;
            }
        }

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason)
        {
            if (!_retired)
            {
                inbox.Break(server, reason);
            }
        }
    }
}
