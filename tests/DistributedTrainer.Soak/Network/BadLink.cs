using System.Collections.Concurrent;
using System.Diagnostics;

namespace DistributedTrainer.Soak.Network;

/// <summary>
/// A cable that delays and loses frames, in this process: the kernel's own way (netem) is a module that many machines lack.
/// Which frames are lost follows from the seed and their order.
/// </summary>
internal sealed class BadLink(string name, int seed) : IDisposable
{
    private const double Loss = 0.005;
    private const int FrameBytes = 64 * 1024;
    private const int Look = 100;
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(25);

    private readonly TapDevice _host = new(name + "h");
    private readonly TapDevice _switch = new(name + "s");
    private readonly List<Thread> _threads = [];
    private volatile bool _ended;

    public string HostEnd => _host.Name;

    public string SwitchEnd => _switch.Name;

    public void Start()
    {
        Carry(_host, _switch, seed);
        Carry(_switch, _host, ~seed);
    }

    public void Dispose()
    {
        _ended = true;
        _threads.ForEach(static thread => thread.Join());
        _host.Dispose();
        _switch.Dispose();
    }

    private void Carry(TapDevice from, TapDevice to, int lossSeed)
    {
        var underWay = new BlockingCollection<(byte[] Frame, long Sent)>();
        Begin(() =>
        {
            var (random, frame) = (new Random(lossSeed), new byte[FrameBytes]);
            while (!_ended)
            {
                if (from.Read(frame, Look) is var length and > 0 && random.NextDouble() >= Loss)
                {
                    underWay.Add((frame[..length], Stopwatch.GetTimestamp()));
                }
            }

            underWay.CompleteAdding();
        });
        Begin(() =>
        {
            foreach (var (frame, sent) in underWay.GetConsumingEnumerable())
            {
                if (Delay - Stopwatch.GetElapsedTime(sent) is var left && left > TimeSpan.Zero && !_ended)
                {
                    Thread.Sleep(left);
                }

                to.Write(frame);
            }
        });
    }

    private void Begin(Action work)
    {
        var thread = new Thread(() => work()) { IsBackground = true, Name = $"link {name}" };
        _threads.Add(thread);
        thread.Start();
    }
}
