namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>Opens and closes shared-memory channels with leases on both sides, in a process where nothing else does.</summary>
internal static class Churn
{
    private const int Rounds = 40;

    public static int Run(string address)
    {
        Round(address);
        var before = Held();
        for (var round = 0; round < Rounds; round++) Round(address);

        // The last threads of a channel end on their own.
        if (SpinWait.SpinUntil(() => Held() is var now && now.Descriptors <= before.Descriptors && now.Mappings <= before.Mappings && now.Threads <= before.Threads + 2, Patience.Limit)) return 0;
        Console.Error.WriteLine($"after {Rounds} rounds {Held()}, before {before}");
        return 1;
    }

    private static void Round(string address)
    {
        var server = new OfferHandler();
        var accepted = new TaskCompletionSource<IChannel>(TaskCreationOptions.RunContinuationsAsynchronously);
        ITransport transport = new SharedMemoryTransport();
        using var listener = transport.Listen(
            address,
            channel =>
            {
                accepted.SetResult(channel);
                return server;
            },
            new ChannelOptions());
        var client = new OfferHandler();
        using var near = transport.Connect(listener.Address, client, new ChannelOptions());
        using var far = accepted.Task.Await("accept");
        using var payload = new BufferPayload(Bytes.Random(50_000, 1));
        near.Post(Bytes.Header(), payload);
        far.Post(Bytes.Header(), payload);
        near.Send(Bytes.Header(), payload.Bytes);
        var leases = client.AwaitLeases(1).Concat(server.AwaitLeases(1)).ToArray();
        leases[0].Lease.Dispose();
        near.Dispose();
        leases[1].Lease.Dispose();
        Patience.Until(() => payload.Releases == 2, "the releases");
    }

    private static (int Descriptors, int Mappings, int Threads) Held() =>
        (Directory.GetFileSystemEntries("/proc/self/fd").Length,
         File.ReadLines("/proc/self/maps").Count(static line => line.Contains("memfd:dtrain", StringComparison.Ordinal)),
         Directory.GetDirectories("/proc/self/task").Length);
}
