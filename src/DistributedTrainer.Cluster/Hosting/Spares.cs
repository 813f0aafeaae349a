using System.Collections.Concurrent;

namespace DistributedTrainer.Cluster;

/// <summary>Objects that are used again and again. After the end they are disposed of, each as soon as it comes back.</summary>
internal sealed class Spares<T>(Func<Spares<T>, T> make) : IDisposable
    where T : class, IDisposable
{
    private readonly ConcurrentBag<T> _free = [];
    private volatile bool _ended;

    public T Rent() => _free.TryTake(out var spare) ? spare : make(this);

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
