using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary>Asks the coordinator of a cluster for files of runs, whatever becomes of it and of this node: says when nobody answers, and when somebody does again.</summary>
internal sealed class ClusterFiles : IAsyncDisposable
{
    // A question may be lost with a connection.
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(3);

    private readonly SilenceWatch _silence;
    private NodeHost _host;
    private int _isSilent;

    /// <param name="host">As it has joined; disposed of here.</param>
    /// <param name="join">HOST:PORT, for whoever reads that nobody answers.</param>
    public ClusterFiles(NodeHost host, string join)
    {
        _host = host;
        _silence = new SilenceWatch(TimeProvider.System, silent =>
        {
            Interlocked.Exchange(ref _isSilent, 1);
            Console.Error.WriteLine($"No coordinator of the cluster at {join} has answered for {silent.TotalSeconds:0} s. The page shows what came before; it is asked on until Ctrl+C.");
        });
    }

    /// <summary>Asks; null: nobody has answered.</summary>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    /// <exception cref="ArgumentException">The node was taken out of the cluster, and its address is not free any more.</exception>
    public async Task<IProtocolMessage?> AskAsync(IProtocolMessage question, CancellationToken cancel)
    {
        if (_host is { Completion.IsCompleted: true, Return: { } again })
        {
            await _host.DisposeAsync();
            _host = await NodeHost.StartAsync(again, null, cancel);
        }

        var answer = await _host.AskAsync(question, Limit, cancel);
        if (answer is not null)
        {
            _silence.Heard();
            if (Interlocked.Exchange(ref _isSilent, 0) == 1)
            {
                Console.Error.WriteLine("A coordinator answers again.");
            }
        }

        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        _silence.Dispose();
        await _host.DisposeAsync();
    }
}
