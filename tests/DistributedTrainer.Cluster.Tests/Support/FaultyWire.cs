using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels;
using Route = DistributedTrainer.Protocol.Workers.Route;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>What may happen to a frame.</summary>
[Flags]
internal enum Faults
{
    None = 0,

    /// <summary>It vanishes, and the connection stays.</summary>
    Drop = 1,

    /// <summary>It comes twice, at once or with others in between.</summary>
    Repeat = 2,

    /// <summary>It comes behind the next one.</summary>
    Reorder = 4,

    /// <summary>It comes behind several others, or after a while when no others come.</summary>
    Delay = 8,

    /// <summary>The connection ends inside it.</summary>
    Cut = 16,

    All = Drop | Repeat | Reorder | Delay | Cut,
}

/// <summary>
/// Stands between workers and a server on TCP and does to the frames of both directions what a bad network does. From a
/// seed: the same frames in the same order of one connection have the same fate.
/// </summary>
internal sealed class FaultyWire : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Uri _target;
    private readonly Faults _faults;
    private readonly int _seed;
    private readonly FaultCounts _counts;
    private int _connections;

    private FaultyWire(string target, Faults faults, int seed, FaultCounts counts)
    {
        (_target, _faults, _seed, _counts) = (new Uri(target), faults, seed, counts);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        new Thread(Accept) { IsBackground = true, Name = "faulty wire" }.Start();
    }

    /// <summary>Decides before the faults do, where it wants to: false swallows the frame. The number of the connection, from 1; whether it goes to the worker.</summary>
    public Func<int, bool, FrameHeader, bool> Passes { get; set; } = static (_, _, _) => true;

    /// <summary>Asked before a frame to the server passes: whether the server's side of the connection ends here, while the worker's stays open and silent.</summary>
    public Func<int, FrameHeader, bool> Deserts { get; set; } = static (_, _) => false;

    public string Address => $"tcp://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}";

    /// <summary>Routes that lead through bad wires, one for each server.</summary>
    public static (Route[] Routes, FaultyWire[] Wires) Between(Route[] routes, Faults faults, int seed, FaultCounts counts)
    {
        var wires = routes.DistinctBy(static route => route.Node)
            .ToDictionary(static route => route.Node, route => new FaultyWire(route.Addresses.Single(static address => address.StartsWith("tcp://", StringComparison.Ordinal)), faults, seed++, counts));
        return ([.. routes.Select(route => route with { Addresses = [wires[route.Node].Address] })], [.. wires.Values]);
    }

    public void Dispose() => _listener.Dispose();

    private void Accept()
    {
        try
        {
            while (true)
            {
                var worker = _listener.Accept();
                var number = ++_connections;
                new Thread(() => Serve(worker, number)) { IsBackground = true, Name = "faulty wire out" }.Start();
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private void Serve(Socket worker, int number)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (worker)
        {
            try
            {
                worker.NoDelay = true;
                server.Connect(_target.Host, _target.Port);
                var deserted = new StrongBox();
                var back = new Thread(() => Pass(server, worker, number, toWorker: true, deserted)) { IsBackground = true, Name = "faulty wire back" };
                back.Start();
                Pass(worker, server, number, toWorker: false, deserted);
                back.Join();
            }
            catch (Exception end) when (end is SocketException or ObjectDisposedException)
            {
                // One side is gone: so is the other, at once.
            }
        }
    }

    private void Pass(Socket from, Socket to, int number, bool toWorker, StrongBox deserted)
    {
        try
        {
            PassAll(from, to, number, toWorker, deserted);
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // As above.
        }

        ShutDown(from);
        if (!(toWorker && deserted.Value))
        {
            ShutDown(to);
        }
    }

    private void PassAll(Socket from, Socket to, int number, bool toWorker, StrongBox deserted)
    {
        var random = new Random((_seed * 15485863) ^ (number * 7919) ^ (toWorker ? 104729 : 0));
        var held = new List<(byte[] Frame, int Behind)>();
        for (var first = true; ; first = false)
        {
            // No further frame comes while the other side waits for those that are held.
            while (held.Count > 0 && !from.Poll(TimeSpan.FromMilliseconds(5), SelectMode.SelectRead))
            {
                held.ForEach(one => SendAll(to, one.Frame));
                held.Clear();
            }

            if (ReadFrame(from, out var header) is not { } frame)
            {
                return;
            }

            if (!toWorker && !first && Deserts(number, header))
            {
                deserted.Value = true;
                ShutDown(to);
            }

            if (deserted.Value || (!first && !Passes(number, toWorker, header)))
            {
                continue;
            }

            // The hello decides whether there is a connection at all.
            var fate = first ? Faults.None : FateOf(random);
            if (!_counts.TryAdd(fate))
            {
                fate = Faults.None;
            }

            switch (fate)
            {
                case Faults.Cut:
                    SendAll(to, frame.AsSpan(0, random.Next(frame.Length)));
                    return;
                case Faults.Drop:
                    break;
                case Faults.Repeat:
                    SendAll(to, frame);
                    held.Add((frame, random.Next(4)));
                    break;
                case Faults.Reorder:
                    held.Add((frame, 1));
                    break;
                case Faults.Delay:
                    held.Add((frame, random.Next(2, 12)));
                    break;
                default:
                    SendAll(to, frame);
                    break;
            }

            for (var i = 0; i < held.Count; i++)
            {
                held[i] = held[i] with { Behind = held[i].Behind - (ReferenceEquals(held[i].Frame, frame) ? 0 : 1) };
            }

            foreach (var (late, _) in held.Where(static one => one.Behind <= 0).ToArray())
            {
                SendAll(to, late);
            }

            held.RemoveAll(static one => one.Behind <= 0);
        }
    }

    /// <summary>One in ten for each fault that there is.</summary>
    private Faults FateOf(Random random)
    {
        var choice = random.Next(10);
        var fault = choice < 5 ? (Faults)(1 << choice) : Faults.None;
        return _faults & fault;
    }

    private static byte[]? ReadFrame(Socket socket, out FrameHeader header)
    {
        header = default;
        var head = new byte[FrameFormat.HeaderBytes];
        if (!ReadAll(socket, head))
        {
            return null;
        }

        Assert.Null(FrameFormat.Read(head, out header));
        var frame = new byte[head.Length + header.PayloadBytes];
        head.CopyTo(frame, 0);
        return ReadAll(socket, frame.AsSpan(head.Length)) ? frame : null;
    }

    private static bool ReadAll(Socket socket, Span<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var count = socket.Receive(bytes);
            if (count == 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }

    private static void SendAll(Socket socket, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[socket.Send(bytes)..];
        }
    }

    private static void ShutDown(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // Gone already.
        }
    }

    private sealed class StrongBox
    {
        public volatile bool Value;
    }
}

/// <summary>How often each fault happened: a test without any would show nothing.</summary>
internal sealed class FaultCounts
{
    // Each cut is a new generation, which takes the step from its beginning, for all workers; of one in ten frames only one step in
    // hundreds of three workers with batch norm comes to its end. So the end of a run would be a matter of the machine's speed.
    private const int MostCuts = 50;

    private readonly int[] _counts = new int[32];

    public int this[Faults fault] => Volatile.Read(ref _counts[(int)fault]);

    /// <summary>False: there were enough of the kind.</summary>
    public bool TryAdd(Faults fault)
    {
        if (fault == Faults.Cut && this[fault] >= MostCuts)
        {
            return false;
        }

        Interlocked.Increment(ref _counts[(int)fault]);
        return true;
    }
}
