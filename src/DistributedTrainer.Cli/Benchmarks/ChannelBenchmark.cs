using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Launching;
using DistributedTrainer.Cluster;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>Measures a channel between this process and one that it starts, and the bare medium between the same two.</summary>
internal sealed class ChannelBenchmark(string transport, int bytes, int windows, Action<string> say, NodeCertificates? certificates = null)
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(3);

    /// <summary>Measures.</summary>
    /// <exception cref="InvalidOperationException">The transport does not reach another process of this machine.</exception>
    /// <exception cref="BenchmarkFailedException">The other process ended.</exception>
    /// <exception cref="ChannelClosedException">The channel closed meanwhile.</exception>
    public async Task<ChannelRate> Run()
    {
        if (transport == "in-process")
        {
            using var listener = new InProcessTransport().Listen("in-process://", static _ => new AnsweringEnd(), new ChannelOptions());
            return Measure([listener.Address], sameProcess: true);
        }

        var addresses = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        var peer = new ChildProcesses().Start(["bench", "channel", "--answer", .. certificates is null ? (string[])[] : ["--tls", certificates.Directory]], Said, (_, code) => addresses.TrySetException(new BenchmarkFailedException($"the other process ended with exit code {code}")));
        try
        {
            return Measure(await addresses.Task.WaitAsync(StartLimit), sameProcess: false);
        }
        catch (TimeoutException)
        {
            throw new BenchmarkFailedException($"the other process did not answer within {StartLimit.TotalSeconds} s");
        }
        finally
        {
            peer.Close();
            peer.Kill(EndLimit);
        }

        void Said(string line)
        {
            if (line.StartsWith(ChannelPeer.LinePrefix, StringComparison.Ordinal))
            {
                addresses.TrySetResult(ChannelPeer.AddressesIn(line));
            }
            else
            {
                say(line);
            }
        }
    }

    private ChannelRate Measure(IReadOnlyList<string> addresses, bool sameProcess)
    {
        var address = TransportSelector.Choose(transport, addresses, sameProcess, sameHost: true)[0];
        var used = address[..address.IndexOf(':', StringComparison.Ordinal)];
        var end = new AskingEnd();
        MediumRate rate;
        double? lent, attended;
        using (var channel = Transports.For(address).Connect(address, end, new ChannelOptions { Certificates = certificates }))
        {
            rate = end.Measure(channel, bytes, windows);
            lent = end.MeasureLent(channel, bytes, windows);
            attended = end.MeasureAttended(channel, windows);
        }

        var copy = BareMemory.CopyRate(bytes, windows);
        var (name, bare) = ChannelPeer.BareEnd(addresses, used) is { } socket
            ? ($"{used} socket", BareSocket.Measure(socket, bytes, windows))
            : ("memory", new MediumRate(copy, BareMemory.RoundTrip(windows)));
        return ChannelRate.Of(used, bytes, rate, name, bare, copy) with
        {
            Lent = lent is { } inPlace ? LentRate.Of(inPlace, copy) : null,
            Attended = attended is { } trip ? AttendedTrip.Of(trip, BareMemory.RoundTrip(windows, attended: true)) : null,
        };
    }
}
