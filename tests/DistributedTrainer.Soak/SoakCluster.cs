namespace DistributedTrainer.Soak;

/// <summary>A coordinator, two servers and three workers, each a process of its own, and what is done to them.</summary>
/// <param name="folder">For what they print.</param>
/// <param name="tls">The folder of their certificates; null: the cluster is open.</param>
/// <param name="say">Told what is done.</param>
internal sealed class SoakCluster(string folder, string? tls, Action<string> say) : IAsyncDisposable
{
    private readonly NodePlace _coordinator = new("coordinator", "coordinator", folder, null, tls);
    private readonly NodePlace[] _servers = [.. Enumerable.Range(1, 2).Select(i => new NodePlace($"server-{i}", "server", folder, null, tls))];
    private readonly NodePlace[] _workers = [.. Enumerable.Range(1, 3).Select(i => new NodePlace($"worker-{i}", "worker", folder, null, tls))];
    private readonly List<NodePlace> _extras = [];

    public IReadOnlyList<NodePlace> Places
    {
        get
        {
            lock (_extras)
            {
                return [_coordinator, .. _servers, .. _workers, .. _extras];
            }
        }
    }

    public string Address => _coordinator.Address;

    public IEnumerable<NodeProcess> Lives => Places.SelectMany(static place => place.Lives);

    /// <summary>Processes that ended although nobody wanted them to.</summary>
    public IEnumerable<NodeProcess> Missing => Lives.Where(static life => life.IsMissing);

    // Whoever joins may find the coordinator dead, and the servers not.
    private IEnumerable<string> Seeds => [_coordinator.Address, .. _servers.Where(static server => server.Address.Length > 0).Select(static server => server.Address)];

    public async Task Start(CancellationToken cancel)
    {
        await _coordinator.Start([], samePort: false, cancel);
        await Task.WhenAll(_servers.Concat(_workers).Select(place => place.Start([_coordinator.Address], samePort: false, cancel)));
    }

    /// <summary>Whom the event hits; null: nobody now.</summary>
    /// <param name="what">The event.</param>
    /// <param name="through">Share of the time that is over.</param>
    public NodePlace? Victim(Disturbance what, double through)
    {
        if (what.Act == Act.Extra)
        {
            var extra = new NodePlace($"extra-{_extras.Count + 1}", "worker", folder, null, tls);
            lock (_extras)
            {
                _extras.Add(extra);
            }

            return extra;
        }

        // Nobody could tell a coordinator that begins anew where its cluster is if both servers were away as well.
        var away = _servers.Count(static server => server.IsAway);
        if ((what.Role == "coordinator" && away == _servers.Length) || (what.Role == "server" && _coordinator.IsAway && away > 0))
        {
            return null;
        }

        var places = Places.Where(place => place.Role == what.Role && !_extras.Contains(place)).ToArray();
        return Enumerable.Range(what.Place, places.Length).Select(i => places[i % places.Length])
            .FirstOrDefault(place => !place.IsAway && (what.Act == Act.Freeze || !IsSpared(place, through)));
    }

    /// <summary>Does it, and returns when the victim is back, or gone for good.</summary>
    public async Task Disturb(Disturbance what, NodePlace victim, CancellationToken cancel)
    {
        victim.IsAway = true;
        switch (what.Act)
        {
            case Act.Freeze:
                say($"{what.Name}: {victim.Now.Name} for {what.Pause.TotalSeconds:0.0} s");
                victim.Now.Freeze();
                await Task.Delay(what.Pause, cancel);
                victim.Now.Thaw();
                break;
            case Act.Extra:
                say($"{what.Name}: {victim.Name} for {what.Pause.TotalSeconds:0.0} s");
                await victim.Start(Seeds, samePort: false, cancel);
                await Task.Delay(what.Pause, cancel);
                await victim.Now.Kill();
                return;
            case Act.Kill:
                say($"{what.Name}: {victim.Now.Name}, again after {what.Pause.TotalSeconds:0.0} s");
                await victim.Now.Kill();
                await Restart(what, victim, cancel);
                break;
            default:
                say($"{what.Name}: {victim.Now.Name}, again after {what.Pause.TotalSeconds:0.0} s");
                victim.Now.Terminate();
                await victim.Now.Ended.WaitAsync(cancel);
                if (victim.Now.ExitCode != 0)
                {
                    throw new SoakFailure($"{victim.Now.Name} was asked to leave and ended with exit code {victim.Now.ExitCode}");
                }

                await Restart(what, victim, cancel);
                break;
        }

        victim.IsAway = false;
    }

    /// <summary>Asks everybody to end, workers first; says who did not end in good order.</summary>
    public Task<IReadOnlyList<string>> End(TimeSpan limit) => NodeProcess.End(Lives, limit);

    public async ValueTask DisposeAsync()
    {
        foreach (var place in Places)
        {
            await place.DisposeAsync();
        }
    }

    private async Task Restart(Disturbance what, NodePlace victim, CancellationToken cancel)
    {
        await Task.Delay(what.Pause, cancel);
        await (victim.Role switch
        {
            // It finds the cluster that it left, and servers are where it looks for it.
            "coordinator" => victim.Start(Seeds, samePort: true, cancel),
            "server" => victim.Start(Seeds.Where(seed => seed != victim.Address), samePort: true, cancel),
            _ => victim.Start(Seeds, what.SamePort, cancel),
        });
    }

    /// <summary>Some live long, so that what they hold can be compared over time: each role in another part of the time.</summary>
    private bool IsSpared(NodePlace place, double through) =>
        through < 0.5 ? place == _servers[0] || place == _workers[0] : place == _servers[1] || place == _workers[1] || place == _coordinator;
}
