using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Hosting;

/// <summary>What a host's training comes to, for other services of the host.</summary>
public sealed class TrainingRun
{
    private readonly TaskCompletionSource<TrainingResult> _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private NodeHost? _node;

    /// <summary>
    /// The result, once training is over; fails as <see cref="Trainer.RunAsync"/> does. Where the host is a node, it is cancelled when that
    /// ends.
    /// </summary>
    public Task<TrainingResult> Result => _result.Task;

    /// <summary>host:port of the node that this host is, once it listens. It stays the same, also when the node was out of the cluster.</summary>
    public Task<string> NodeAddress => _address.Task;

    /// <summary>The node that this host is; null: it is none, or none at the moment.</summary>
    internal NodeHost? Node
    {
        get => Volatile.Read(ref _node);
        set
        {
            Volatile.Write(ref _node, value);
            if (value is not null)
            {
                _address.TrySetResult(value.Address);
            }
        }
    }

    internal void Done(TrainingResult result) => _result.TrySetResult(result);

    internal void Canceled() => _result.TrySetCanceled();

    internal void Failed(Exception cause)
    {
        if (_result.TrySetException(cause))
        {
            // Nobody has to look.
            _ = _result.Task.Exception;
        }
    }
}
