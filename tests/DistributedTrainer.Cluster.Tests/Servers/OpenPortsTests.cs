using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Tests.Actors;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>
/// A hundred thousand tries with garbage, torn, damaged and foreign frames at the doors of a server whose run goes on
/// afterwards. Alone, since it counts what the process holds.
/// </summary>
[Collection(ClusterCollection.Name)]
public sealed class OpenPortsTests
{
    private const int Connections = 1800;

    // Of those that get past the hello: so many foreign frames before the end.
    private const int FramesPerConnection = 30;

    // In the flags of a hello: the sender would rather have shared memory.
    private const byte OffersSharedMemory = 1;

    [Fact]
    public void Garbage_at_any_door_changes_nothing_and_leaves_nothing()
    {
        var plan = new TestExperiment
        {
            Layers = ["linear: 64", "batch-norm", "relu", "linear: 128", "relu", "linear: 3"],
            Training = "{ epochs: 1, batch-size: 37, shards: 5 }",
            Partitions = 2,
        }.Plan();
        using var cluster = new MiniCluster(plan);
        cluster.Do(() => cluster.Assign());
        var tries = new Tries(plan);
        var doors = cluster.Addresses.Where(static address => !address.StartsWith("in-process:", StringComparison.Ordinal)).ToArray();
        Assert.True(doors.Length >= 2 || OperatingSystem.IsWindows());

        foreach (var door in doors)
        {
            Knock(tries, door, 200);
        }

        Settle(() => true);
        var before = Held.Now();
        tries.Count = 0;
        foreach (var door in doors)
        {
            Knock(tries, door, Connections * 3 / doors.Length);
        }

        Assert.InRange(tries.Count, 100_000, 200_000);

        // A refusal is a frame with a sentence: what got past the hello was answered, frame by frame (one answer a connection
        // were 3 bytes a try). Not all of it comes back: a connection that ends at a torn frame is reset, and what was not read
        // of it by then is gone.
        Assert.InRange(tries.AnsweredBytes, 20L * tries.Count, 600L * tries.Count);

        // Threads and descriptors of the last connections end on their own; what was allocated once stays within a few pages a door.
        Settle(() => Held.Now() is var now && now.Descriptors <= before.Descriptors + 8 && now.Threads <= before.Threads + 8 && now.ManagedBytes <= before.ManagedBytes + 4_000_000);
        var after = Held.Now();
        Assert.InRange(after.Descriptors, 0, before.Descriptors + 8);
        Assert.InRange(after.Threads, 0, before.Threads + 8);
        Assert.InRange(after.ManagedBytes, 0, before.ManagedBytes + 4_000_000);

        // One line for each address and door, of each sort: not one for each knock.
        Assert.InRange(cluster.Log.Count, 1, 2 * doors.Length * (1 + (int)(tries.Time.TotalMinutes + 1)));

        cluster.With(2);
        Assert.Equal(ReferenceTrainer.Train(plan).Bits, cluster.Run().Bits);
    }

    private static void Knock(Tries tries, string door, int connections)
    {
        var answer = new byte[4096];
        for (var i = 0; i < connections; i++)
        {
            using var socket = Dial(door);
            try
            {
                for (var bytes = tries.Next(door).AsSpan(); bytes.Length > 0;)
                {
                    bytes = bytes[socket.Send(bytes)..];
                }

                // All of it is dealt with before the next one comes.
                socket.Shutdown(SocketShutdown.Send);
                for (var count = socket.Receive(answer); count > 0; count = socket.Receive(answer))
                {
                    tries.AnsweredBytes += count;
                }
            }
            catch (SocketException turnedAway) when (turnedAway.SocketErrorCode != SocketError.TimedOut)
            {
                // Before it had said everything.
            }
        }
    }

    private static Socket Dial(string door)
    {
        var uri = new Uri(door);
        EndPoint end = uri.Scheme == "tcp" ? new IPEndPoint(IPAddress.Parse(uri.Host), uri.Port) : new UnixDomainSocketEndPoint(uri.AbsolutePath);
        var socket = new Socket(end.AddressFamily, SocketType.Stream, uri.Scheme == "tcp" ? ProtocolType.Tcp : ProtocolType.Unspecified);
        socket.ReceiveTimeout = (int)MiniCluster.Limit.TotalMilliseconds;
        socket.Connect(end);
        if (uri.Scheme == "tcp")
        {
            // Ends with a reset: thousands of ports would wait for their time otherwise.
            socket.LingerState = new LingerOption(true, 0);
        }

        return socket;
    }

    private static void Settle(Func<bool> settled) => SpinWait.SpinUntil(() => settled(), TimeSpan.FromSeconds(30));

    /// <summary>What strangers send, from a fixed seed.</summary>
    private sealed class Tries(TrainingPlan plan)
    {
        private readonly Random _random = new(20_260_103);
        private readonly ForeignFrames _frames = new(plan, 20_260_104);
        private readonly Stopwatch _time = Stopwatch.StartNew();
        private int _cut;

        public int Count { get; set; }

        public long AnsweredBytes { get; set; }

        public TimeSpan Time => _time.Elapsed;

        public byte[] Next(string door)
        {
            Count++;
            var hello = Hello(_random.Next(4) == 0 ? (byte)_random.Next(256) : door.StartsWith("shared-memory:", StringComparison.Ordinal) ? OffersSharedMemory : (byte)0);
            switch (_random.Next(8))
            {
                case 0:
                    return Garbage(300);
                case 1:
                    // Cut at every offset, one after the other.
                    return hello[..(_cut++ % hello.Length)];
                case 2:
                    hello[_random.Next(hello.Length)] ^= (byte)(1 << _random.Next(8));
                    return [.. hello, .. Garbage(100)];
                default:
                    return [.. hello, .. Past(FramesPerConnection)];
            }
        }

        /// <summary>Whole frames with foreign fields, each a try; the last one is torn or damaged.</summary>
        private byte[] Past(int frames)
        {
            var bytes = new List<byte>();
            for (var i = 0; i < frames; i++)
            {
                var header = _frames.Next();
                if (header.PayloadBytes > 600)
                {
                    // What is announced never comes: that would be the end of the connection.
                    header.PayloadBytes %= 600;
                }

                bytes.AddRange(Frame(header));
                bytes.AddRange(Garbage(header.PayloadBytes, exactly: true));
                Count++;
            }

            var last = Frame(_frames.Next());
            if (_random.Next(2) == 0)
            {
                last[_random.Next(last.Length)] ^= (byte)(1 << _random.Next(8));
            }

            bytes.AddRange(last.Take(_cut++ % (last.Length + 1)));
            bytes.AddRange(Garbage(200));
            return [.. bytes];
        }

        private byte[] Garbage(int length, bool exactly = false)
        {
            var bytes = new byte[exactly ? length : _random.Next(length)];
            _random.NextBytes(bytes);
            return bytes;
        }

        private byte[] Hello(byte flags) => Frame(new FrameHeader { Kind = FrameKind.Hello, Run = plan.Token, Flags = flags });

        private static byte[] Frame(FrameHeader header)
        {
            var bytes = new byte[FrameFormat.HeaderBytes];
            FrameFormat.Write(header, bytes);
            return bytes;
        }
    }

    /// <summary>What the process holds.</summary>
    private readonly record struct Held(int Descriptors, int Threads, long ManagedBytes)
    {
        public static Held Now()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            var managed = GC.GetTotalMemory(forceFullCollection: true);
            using var process = Process.GetCurrentProcess();
            return new Held(OperatingSystem.IsLinux() ? Directory.GetFileSystemEntries("/proc/self/fd").Length : process.HandleCount, process.Threads.Count, managed);
        }
    }
}
