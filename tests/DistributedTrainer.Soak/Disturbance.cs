namespace DistributedTrainer.Soak;

/// <summary>What is done to a process.</summary>
internal enum Act
{
    /// <summary>SIGKILL, and launched again after a while.</summary>
    Kill,

    /// <summary>SIGSTOP, and SIGCONT after a while.</summary>
    Freeze,

    /// <summary>SIGTERM: it leaves in good order; launched again after a while.</summary>
    Leave,

    /// <summary>One more joins, and is killed after a while.</summary>
    Extra,
}

/// <summary>One event of the schedule.</summary>
/// <param name="Act">What is done.</param>
/// <param name="Role">To whom: worker, server or coordinator.</param>
/// <param name="Place">Which of them; where it is disturbed already, the next one.</param>
/// <param name="Gap">Time since the event before it.</param>
/// <param name="Pause">Until the process is launched again, continued or killed.</param>
/// <param name="SamePort">Whether it comes back under the same address.</param>
internal sealed record Disturbance(Act Act, string Role, int Place, TimeSpan Gap, TimeSpan Pause, bool SamePort)
{
    /// <summary>Such as "kill server".</summary>
    public string Name => $"{Act.ToString().ToLowerInvariant()} {Role}";
}

/// <summary>
/// An endless schedule that follows from its seed: an event in 4 to 8 seconds, and after one in five a second one within
/// half a second, so that the cluster is hit while it recovers.
/// </summary>
internal sealed class Schedule(int seed)
{
    // In hundredths. Coordinators are begun anew less often, since the run is then seen by nobody for seconds.
    private static readonly (Act Act, string Role, int Weight)[] Kinds =
    [
        (Act.Kill, "worker", 20), (Act.Kill, "server", 16), (Act.Kill, "coordinator", 12),
        (Act.Freeze, "worker", 12), (Act.Freeze, "server", 10), (Act.Freeze, "coordinator", 6),
        (Act.Leave, "worker", 12), (Act.Extra, "worker", 12),
    ];

    private readonly Random _random = new(seed);

    public Disturbance Next()
    {
        var gap = _random.Next(5) == 0 ? Between(0, 0.5) : Between(4, 8);
        var choice = _random.Next(Kinds.Sum(static kind => kind.Weight));
        var (act, role, _) = Kinds.First(kind => (choice -= kind.Weight) < 0);
        var pause = act switch
        {
            Act.Freeze => Between(0.2, 4),
            Act.Extra => Between(1, 6),
            _ => Between(0, 3),
        };
        return new Disturbance(act, role, _random.Next(6), gap, pause, _random.Next(2) == 0);
    }

    private TimeSpan Between(double least, double most) => TimeSpan.FromSeconds(least + (_random.NextDouble() * (most - least)));
}
