using DistributedTrainer.Cluster.Coordination.Pacing;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Support;

/// <summary>
/// A run whose workers need as long as the test says, in time that only the test moves: all wait for the slowest, each reports
/// twice a second, and a coordinator asks the watch five times a second and does what it says.
/// </summary>
internal sealed class PaceBench
{
    private const int Tick = 100_000;
    private const int Server = 500;

    private readonly Worker[] _workers;
    private long _now;
    private double _steps;

    public PaceBench(int workers, int shards, params int[] threads)
    {
        _workers = [.. Enumerable.Range(0, workers).Select(number => new Worker(new WorkerId($"w{number}"), number, threads.Length > 0 ? threads[number] : 1))];
        Shards = new ShardAssignment(shards, id => _workers.Single(worker => worker.Id == id).Threads);
        ShardCount = shards;
        Place();
    }

    public PaceWatch Watch { get; } = new();

    public ShardAssignment Shards { get; }

    public int ShardCount { get; }

    public Worker this[int number] => _workers[number];

    /// <summary>What the watch said, with the second in which it did.</summary>
    public List<(double Second, PaceNews News)> News { get; } = [];

    /// <summary>How often shards were placed anew.</summary>
    public int Moves { get; private set; }

    public double Seconds => _now / 1e6;

    /// <summary>Steps so far; each takes 1 ms of every worker and shard at its usual pace.</summary>
    public double Steps => _steps;

    /// <summary>Microseconds of a step for one shard.</summary>
    public double Shard { get; set; } = 1000;

    /// <summary>Cores that the workers divide.</summary>
    public double Cores { get; set; } = double.PositiveInfinity;

    /// <summary>Whether the coordinator lives.</summary>
    public bool Coordinates { get; set; } = true;

    /// <summary>Whether the run evaluates: no steps, but statuses.</summary>
    public bool Evaluates { get; set; }

    public int[] Loads => [.. _workers.Select(worker => Shards.ShardsOf(worker.Id).Length)];

    private TimeSpan Now => TimeSpan.FromMicroseconds(_now);

    private WorkerId[] Usable => [.. _workers.Where(static worker => worker.Usable).Select(static worker => worker.Id)];

    /// <summary>Lets time pass.</summary>
    public PaceBench Run(double seconds)
    {
        for (var end = _now + (long)(seconds * 1e6); _now < end;)
        {
            _now += Tick;
            Advance();
            if (Coordinates)
            {
                Coordinate();
            }
        }

        return this;
    }

    private void Advance()
    {
        var own = Owns();
        var step = Server + own.Max();
        var steps = Evaluates ? 0 : Tick / step;
        _steps += steps;
        foreach (var worker in _workers.Where(worker => Shards.ShardsOf(worker.Id).Length > 0 && steps > 0))
        {
            (worker.Own, worker.Waiting, worker.Steps) = (worker.Own + (steps * own[worker.Number]), worker.Waiting + (steps * (step - own[worker.Number])), worker.Steps + steps);
        }
    }

    /// <summary>
    /// When each worker is done with its part of a step. One that takes f times longer is stopped all but 1/f of the time, and
    /// needs no core meanwhile; those that run divide the cores.
    /// </summary>
    private double[] Owns()
    {
        var alone = _workers.Select(OwnOf).ToArray();
        if (Cores >= _workers.Length)
        {
            return alone;
        }

        var (done, left, now) = (new double[alone.Length], alone.ToArray(), 0.0);
        while (left.Any(static one => one > 0 && double.IsFinite(one)))
        {
            var running = _workers.Where(worker => left[worker.Number] > 0 && double.IsFinite(left[worker.Number])).ToArray();
            var speed = Math.Min(1, Cores / running.Sum(worker => 1 / worker.Factor(Seconds)));
            var time = running.Min(worker => left[worker.Number]) / speed;
            now += time;
            foreach (var worker in running)
            {
                left[worker.Number] -= time * speed;
                if (left[worker.Number] < 1e-6)
                {
                    (left[worker.Number], done[worker.Number]) = (0, now);
                }
            }
        }

        return [.. alone.Zip(done, static (own, at) => double.IsFinite(own) ? at : own)];
    }

    private double OwnOf(Worker worker) =>
        worker.Frozen && Shards.ShardsOf(worker.Id).Length > 0 ? double.PositiveInfinity : ((Shards.ShardsOf(worker.Id).Length + worker.Threads - 1) / worker.Threads) * Shard * worker.Factor(Seconds);

    private void Coordinate()
    {
        foreach (var worker in _workers.Where(worker => !worker.Frozen && (_now / Tick) % 5 == worker.Number % 5))
        {
            var whole = Math.Floor(worker.Steps);
            var part = worker.Steps > 0 ? whole / worker.Steps : 0;
            worker.Usable |= worker.Frozen;
            Watch.Heard(worker.Id, new StepCosts((long)whole, (long)(worker.Own * part), 0, (long)(worker.Waiting * part), 0, 0, 0), Now);
        }

        // Told again where nothing is new.
        Watch.Applied((long)_steps, Now);
        if ((_now / Tick) % 2 == 0)
        {
            var news = Watch.Look(Usable, Shards, Now);
            News.AddRange(news.Select(one => (Seconds, one)));
            foreach (var frozen in news.Where(static one => one.Change == PaceChange.Frozen))
            {
                _workers.Single(worker => worker.Id == frozen.Worker).Usable = false;
            }

            if (news.Count > 0 && Watch.WouldMove(Usable, Shards))
            {
                Place();
                Moves++;
            }
        }
    }

    /// <summary>Another generation, as the coordinator begins it.</summary>
    public void Place() => Watch.Place(Usable, Shards, Now);

    public sealed class Worker(WorkerId id, int number, int threads)
    {
        public WorkerId Id => id;

        public int Number => number;

        public int Threads => threads;

        /// <summary>How many times longer it takes, at a second.</summary>
        public Func<double, double> Factor { get; set; } = static _ => 1;

        public bool Frozen { get; set; }

        public bool Usable { get; set; } = true;

        public double Own { get; set; }

        public double Waiting { get; set; }

        public double Steps { get; set; }
    }
}
