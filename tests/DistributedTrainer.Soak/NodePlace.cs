namespace DistributedTrainer.Soak;

/// <summary>A host of its own.</summary>
/// <param name="Command">Runs another command on it.</param>
/// <param name="Address">Under which others reach it.</param>
/// <param name="Port">Of its node.</param>
internal sealed record Home(IReadOnlyList<string> Command, string Address, string Port);

/// <summary>A place in the cluster: processes come and go in it, one at a time.</summary>
/// <param name="name">Its name.</param>
/// <param name="role">Of the nodes that come here.</param>
/// <param name="folder">For what they print.</param>
/// <param name="home">Where it is; null: this machine.</param>
/// <param name="tls">The folder of its certificates; null: the cluster is open.</param>
internal sealed class NodePlace(string name, string role, string folder, Home? home = null, string? tls = null) : IAsyncDisposable
{
    private readonly List<NodeProcess> _lives = [];
    private string? _port = home?.Port;

    public string Name => name;

    public string Role => role;

    /// <summary>Where it was last reached.</summary>
    public string Address { get; private set; } = "";

    /// <summary>Whether it is being disturbed.</summary>
    public bool IsAway { get; set; }

    /// <summary>All processes that were here.</summary>
    public IReadOnlyList<NodeProcess> Lives
    {
        get
        {
            lock (_lives)
            {
                return [.. _lives];
            }
        }
    }

    public NodeProcess Now => _lives[^1];

    public async Task Start(IEnumerable<string> join, bool samePort, CancellationToken cancel)
    {
        var life = $"{name}.{_lives.Count + 1}";
        string[] seeds = [.. join];
        string[] where = home is null ? [] : ["--host", home.Address];
        string[] arguments = ["node", "--roles", role, .. where, .. seeds.Length > 0 ? ["--join", string.Join(',', seeds)] : (string[])[], .. samePort ? ["--port", _port!] : (string[])[], .. NodeProcess.Closed(tls)];
        var process = NodeProcess.StartOn(home?.Command ?? [], life, Path.Combine(folder, life + ".log"), arguments);
        lock (_lives)
        {
            _lives.Add(process);
        }

        Address = await process.Address(cancel);
        _port = Address.Split(':')[1];
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var life in Lives)
        {
            await life.DisposeAsync();
        }
    }
}
