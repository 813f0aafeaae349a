using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>
/// The other end of a channel in a process of its own, for tests that kill it: connects to the first argument. With
/// "flood" as the second it sends frames of 64 MB until it is killed; with "wait" one small frame, then nothing; with "lend"
/// it lends two payloads, takes one lease, says so, and keeps it. "churn" alone opens and closes channels, and fails when
/// they leave anything behind.
/// </summary>
internal static class Program
{
    public const int FloodBytes = 64 << 20;
    public const int LentBytes = 100_000;
    public const int LentSeed = 77;

    public static int Main(string[] arguments)
    {
        if (arguments is not [var address, "flood" or "wait" or "lend" or "churn"])
        {
            Console.Error.WriteLine("usage: DistributedTrainer.Channels.Tests ADDRESS flood|wait|lend|churn");
            return 2;
        }

        if (arguments[1] == "churn") return Churn.Run(address);
        ITransport transport = address.StartsWith("shared-memory:", StringComparison.Ordinal) ? new SharedMemoryTransport() : new SocketTransport();
        var handler = new OfferHandler();
        using var channel = transport.Connect(address, handler, new ChannelOptions());
        if (arguments[1] == "wait")
        {
            channel.Send(Bytes.Header(), [1, 2, 3]);
            handler.Copies.AwaitClosed();
            return 0;
        }

        if (arguments[1] == "lend")
        {
            var lent = new BufferPayload(Bytes.Random(LentBytes, LentSeed));
            channel.Post(Bytes.Header(1), lent);
            channel.Post(Bytes.Header(2), lent);
            handler.AwaitLeases(1);
            channel.Send(Bytes.Header(3), []);
            handler.Copies.AwaitClosed();
            return 0;
        }

        var payload = new byte[FloodBytes];
        for (var step = 0L; ; step++) channel.Send(Bytes.Header(step), payload);
    }
}
