using System.Collections.Concurrent;

namespace DistributedTrainer.Cluster;

/// <summary>Objects that are used again and again. After the end they are disposed of, each as soon as it comes back.</summary>
/// <param name="make">Makes another.</param>
/// <param name="most">So many are made at most.</param>
internal sealed class Spares<T>(Func<Spares<T>, T> make, int most = int.MaxValue) : IDisposable
    where T : class, IDisposable
{
    private readonly ConcurrentBag<T> _free = [];
    private volatile bool _ended;
    private int _made;

    /// <summary>One that is free, or a new one.</summary>
    public T Rent() => TryRent() ?? throw new InvalidOperationException($"spares: all {most} are in use");

    /// <summary>The same; null: all that may be made are in use. One thread rents where their number is limited.</summary>
    public T? TryRent()
    {
        if (_free.TryTake(out var spare))
        {
            return spare;
        }

        if (_made >= most)
        {
            return null;
        }

        _made++;
        return make(this);
    }

    public void Return(T spare)
    {
        _free.Add(spare);
        if (_ended)
        {
            DisposeFree();
        }
    }

    public void Dispose()
    {
        _ended = true;
        DisposeFree();
    }

    private void DisposeFree()
    {
        while (_free.TryTake(out var spare))
        {
            spare.Dispose();
        }
    }
}
