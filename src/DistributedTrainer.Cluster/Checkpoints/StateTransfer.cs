using System.Runtime.InteropServices;
using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>
/// Takes the state of partitions to and from their servers over the data plane: nothing but the network needs to be shared.
/// One thread uses it.
/// </summary>
internal sealed class StateTransfer(TrainingPlan plan, string host, IReadOnlyList<Route> routes) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, Link> _links = [];

    /// <summary>Fetches one vector of what a partition has put aside.</summary>
    /// <param name="partition">Which.</param>
    /// <param name="version">The version that was put aside.</param>
    /// <param name="vector">Its place among <see cref="Servers.Snapshot.Vectors"/>.</param>
    /// <param name="into">Receives it.</param>
    /// <exception cref="IOException">It could not be had.</exception>
    public void Fetch(int partition, long version, int vector, Memory<float> into)
    {
        var link = LinkTo(partition);
        link.Expect(into);
        Send(link, Header(FrameKind.PullSnapshot, 0, version, partition, vector), []);
        link.Await(Patience, $"partition {partition} of version {version}");
    }

    /// <summary>Fetches what a partition has put aside beside its vectors, of any length.</summary>
    /// <exception cref="IOException">It could not be had.</exception>
    public byte[] FetchBytes(int partition, long version, int vector)
    {
        var link = LinkTo(partition);
        link.ExpectAny();
        Send(link, Header(FrameKind.PullSnapshot, 0, version, partition, vector), []);
        link.Await(Patience, $"the order of partition {partition} up to version {version}");
        return link.Bytes;
    }

    /// <summary>Brings one vector of its state to a partition. The connection stays open until this object is disposed of.</summary>
    /// <exception cref="IOException">The server is gone.</exception>
    public void Restore(int partition, long generation, long version, int vector, ReadOnlySpan<float> values) =>
        Send(LinkTo(partition), Header(FrameKind.Restore, generation, version, partition, vector), MemoryMarshal.AsBytes(values));

    public void Dispose()
    {
        foreach (var link in _links.Values)
        {
            link.Channel?.Dispose();
        }
    }

    private FrameHeader Header(FrameKind kind, long generation, long version, int partition, int vector) =>
        new() { Kind = kind, Run = plan.Token, Generation = generation, Step = version, Partition = partition, Count = vector };

    private static void Send(Link link, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        try
        {
            link.Channel!.Send(header, payload);
        }
        catch (ChannelClosedException lost)
        {
            throw new IOException($"{link.Server}: {lost.Message}", lost);
        }
    }

    private Link LinkTo(int partition)
    {
        var route = routes.FirstOrDefault(route => route.Partition.Value == partition) ?? throw new IOException($"partition {partition} is on no server.");
        if (_links.TryGetValue(route.Node.Value, out var known))
        {
            return known;
        }

        var link = new Link(route.Node.Value);
        try
        {
            // The coordinator may be elsewhere than the workers, whose transport the experiment chooses.
            link.Channel = RouteChannel.Open(route, "auto", host, plan.Token, "coordinator", link, plan.Certificates);
        }
        catch (ChannelClosedException lost)
        {
            throw new IOException($"{link.Server}: {lost.Message}", lost);
        }

        _links.Add(link.Server, link);
        return link;
    }

    /// <summary>One server.</summary>
    private sealed class Link(string server) : IFrameHandler
    {
        private readonly object _gate = new();
        private Memory<float>? _expected;
        private byte[] _refusal = [];
        private string? _problem;
        private bool _expectsAny;

        public string Server => server;

        public IChannel? Channel { get; set; }

        public void Expect(Memory<float> into)
        {
            lock (_gate)
            {
                _expected = into;
            }
        }

        /// <summary>Expects a frame of any length, for <see cref="Bytes"/>.</summary>
        public void ExpectAny()
        {
            lock (_gate)
            {
                (_expected, _expectsAny) = (Memory<float>.Empty, true);
            }
        }

        /// <summary>What has come of any length.</summary>
        public byte[] Bytes { get; private set; } = [];

        /// <summary>Waits for what is expected.</summary>
        public void Await(TimeSpan patience, string what)
        {
            lock (_gate)
            {
                while (_expected is not null)
                {
                    if (_problem is not null || !Monitor.Wait(_gate, patience))
                    {
                        throw new IOException($"{server} did not send {what}: {_problem ?? $"no answer within {patience.TotalSeconds} s"}");
                    }
                }
            }
        }

        public Span<byte> Reserve(IChannel channel, in FrameHeader header)
        {
            lock (_gate)
            {
                if (header.Kind == FrameKind.Snapshot && _expectsAny && header.PayloadBytes > 0)
                {
                    return Bytes = new byte[header.PayloadBytes];
                }

                if (header.Kind == FrameKind.Snapshot && _expected is { } place && place.Length * sizeof(float) == header.PayloadBytes)
                {
                    return MemoryMarshal.AsBytes(place.Span);
                }
            }

            if (header.Kind == FrameKind.Refused && header.PayloadBytes <= 4096)
            {
                _refusal = new byte[header.PayloadBytes];
                return _refusal;
            }

            Break(header.PayloadBytes == 0 ? null : $"a {header.Kind} frame of {header.PayloadBytes} bytes was not expected");
            return [];
        }

        public void Complete(IChannel channel, in FrameHeader header)
        {
            if (header.Kind == FrameKind.Refused)
            {
                Break(Encoding.UTF8.GetString(_refusal));
                return;
            }

            lock (_gate)
            {
                (_expected, _expectsAny) = (null, false);
                Monitor.PulseAll(_gate);
            }
        }

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason) => Break(reason);

        private void Break(string? problem)
        {
            lock (_gate)
            {
                _problem ??= problem;
                Monitor.PulseAll(_gate);
            }
        }
    }
}
