using System.Diagnostics;
using DistributedTrainer.Channels;
using DistributedTrainer.Data.Supply;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>
/// Fetches records from the coordinator. Where it dies in the middle, whatever has come stays, and the rest comes from the
/// one that takes its place, as soon as that one tells where it is. May be used by several threads.
/// </summary>
internal sealed class SupplyClient : IRecordSource, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // A coordinator that has just begun may be busy; one that was never reached by then is not reached this way.
    private static readonly TimeSpan FirstPatience = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    private readonly ulong _token;
    private readonly string _host;
    private readonly string _name;
    private readonly Action<string> _log;
    private readonly NodeCertificates? _certificates;
    private readonly object _asking = new();
    private readonly object _gate = new();
    private readonly long _begin = Stopwatch.GetTimestamp();
    private Nodes.DataSource _source;
    private string _key = "";
    private SupplyLink? _link;
    private string? _told;
    private bool _reached;
    private bool _stopped;

    /// <param name="source">Where the coordinator is.</param>
    /// <param name="token">Names the run.</param>
    /// <param name="host">Where this node is.</param>
    /// <param name="name">Who asks.</param>
    /// <param name="log">Receives what an operator wants to know.</param>
    /// <param name="certificates">Of this node, where the network is encrypted.</param>
    public SupplyClient(Nodes.DataSource source, ulong token, string host, string name, Action<string> log, NodeCertificates? certificates = null) =>
        (_source, _token, _host, _name, _log, _certificates) = (source, token, host, name, log, certificates);

    /// <summary>Another coordinator has the data from now on, or the same one at another place.</summary>
    public void MoveTo(Nodes.DataSource source)
    {
        lock (_gate)
        {
            if (source.ProcessId != _source.ProcessId || !source.Addresses.SequenceEqual(_source.Addresses))
            {
                _source = source;
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>What there is; null: given up.</summary>
    /// <exception cref="IOException">It cannot be had.</exception>
    public DataDescription? Describe()
    {
        if (Ask(SupplyFrames.AskForDescription(_token), null, static () => false) is not { } bytes)
        {
            return null;
        }

        try
        {
            var description = DataDescription.FromBytes(bytes.Span);
            _key = description.Key();
            return description;
        }
        catch (InvalidDataException problem)
        {
            throw new IOException(problem.Message, problem);
        }
    }

    public bool Fetch(RecordRange range, Span<byte> into, Func<bool> isGivenUp)
    {
        var recordBytes = into.Length / range.Count;
        var most = Math.Max(1, SupplyFrames.ChunkBytes / recordBytes);
        for (var start = 0; start < range.Count; start += most)
        {
            var part = range.Slice(start, Math.Min(most, range.Count - start));
            var room = into.Slice(start * recordBytes, part.Count * recordBytes);
            lock (_asking)
            {
                if (Ask(SupplyFrames.Ask(_token, _key, part), room.Length, isGivenUp) is not { } records)
                {
                    return false;
                }

                records.Span.CopyTo(room);
            }

            CrashPoint.Reach("node.fetched", range.First + start + 1);
        }

        return true;
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _stopped = true;
            Monitor.PulseAll(_gate);
        }

        _link?.Dispose();
    }

    /// <summary>Asks until it is answered. What is returned is good until the next question.</summary>
    private ReadOnlyMemory<byte>? Ask(in FrameHeader question, int? length, Func<bool> isGivenUp)
    {
        lock (_asking)
        {
            while (true)
            {
                Nodes.DataSource source;
                lock (_gate)
                {
                    source = _source;
                }

                if (_stopped || isGivenUp())
                {
                    // An answer that still comes is nobody's.
                    Drop();
                    return null;
                }

                try
                {
                    if (LinkTo(source).Ask(question, length, Patience, () => _stopped || isGivenUp()) is { } answer)
                    {
                        (_reached, _told) = (true, null);
                        return answer;
                    }
                }
                catch (Exception problem) when (problem is ChannelClosedException or IOException or InvalidOperationException)
                {
                    Drop();
                    Wait(source, problem.Message);
                }
            }
        }
    }

    private void Drop()
    {
        _link?.Dispose();
        _link = null;
    }

    private void Wait(Nodes.DataSource source, string problem)
    {
        if (!_reached && Stopwatch.GetElapsedTime(_begin) > FirstPatience)
        {
            throw new IOException($"the coordinator's data plane at {string.Join(", ", source.Addresses)} could not be reached for {FirstPatience.TotalSeconds} s: {problem}");
        }

        lock (_gate)
        {
            if (!_stopped && ReferenceEquals(source, _source))
            {
                if (_told != problem)
                {
                    _told = problem;
                    _log($"rows are waited for: {problem}");
                }

                Monitor.Wait(_gate, Pause);
            }
        }
    }

    private SupplyLink LinkTo(Nodes.DataSource source)
    {
        if (_link is { } link && ReferenceEquals(link.Source, source))
        {
            return link;
        }

        Drop();
        link = new SupplyLink(source);
        link.Channel = RouteChannel.Open(
            new Protocol.Workers.Route(PartitionId.Lead, new NodeId("coordinator"), source.Host, source.ProcessId, source.Addresses), "auto", _host, _token, _name, link, _certificates);
        return _link = link;
    }
}
