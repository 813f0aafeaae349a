using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>
/// The other end of a channel in a process of its own, for tests that kill it: connects to the first argument and sends
/// frames. With "flood" as the second it sends frames of 64 MB until it is killed; with "wait" one small frame, then nothing.
/// </summary>
internal static class Program
{
    public const int FloodBytes = 64 << 20;

    public static int Main(string[] arguments)
    {
        if (arguments is not [var address, "flood" or "wait"])
        {
            Console.Error.WriteLine("usage: DistributedTrainer.Channels.Tests ADDRESS flood|wait");
            return 2;
        }

        ITransport transport = new SocketTransport();
        using var closed = new ManualResetEventSlim();
        using var channel = transport.Connect(address, new RecordingHandler { OnClosed = _ => closed.Set() }, new ChannelOptions());
        if (arguments[1] == "wait")
        {
            channel.Send(Bytes.Header(), [1, 2, 3]);
            closed.Wait();
            return 0;
        }

        var payload = new byte[FloodBytes];
        for (var step = 0L; ; step++) channel.Send(Bytes.Header(step), payload);
    }
}
