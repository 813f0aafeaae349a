namespace DistributedTrainer.Soak;

/// <summary>A place in the cluster: processes come and go in it, one at a time.</summary>
internal sealed class NodePlace(string name, string role, string folder) : IAsyncDisposable
{
    private readonly List<NodeProcess> _lives = [];
    private string? _port;

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
        string[] arguments = ["node", "--roles", role, .. seeds.Length > 0 ? ["--join", string.Join(',', seeds)] : (string[])[], .. samePort ? ["--port", _port!] : (string[])[]];
        var process = NodeProcess.Start(life, Path.Combine(folder, life + ".log"), arguments);
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
