namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>A cluster of processes that waits for experiments: a coordinator with a server, and two workers.</summary>
internal sealed class RunningCluster : IAsyncDisposable
{
    private readonly Dtrain[] _nodes;
    private readonly string _runs;
    private readonly HashSet<string> _taken = [];

    private RunningCluster(Dtrain[] nodes, string address, string runs) => (_nodes, Address, _runs) = (nodes, address, runs);

    /// <summary>What to join.</summary>
    public string Address { get; }

    /// <summary>Starts it, with its runs in the folder "runs" of a test's folder.</summary>
    public static async Task<RunningCluster> Start(RunDirectory directory)
    {
        var runs = directory.In("runs");
        var coordinator = Dtrain.Start(["node", "--roles", "coordinator,server", "--runs", runs], null);
        var address = (await coordinator.Line(static line => line.StartsWith("node ", StringComparison.Ordinal))).Split(' ')[1];
        return new RunningCluster([coordinator, .. Enumerable.Range(0, 2).Select(_ => Dtrain.Start(["node", "--roles", "worker", "--join", address]))], address, runs);
    }

    /// <summary>The run folders that were made since this was asked last.</summary>
    public IReadOnlyList<string> TakeRuns() => [.. (Directory.Exists(_runs) ? Directory.GetDirectories(_runs) : []).Where(_taken.Add)];

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            await node.DisposeAsync();
        }
    }
}
