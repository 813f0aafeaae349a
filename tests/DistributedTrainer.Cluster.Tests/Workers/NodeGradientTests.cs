using System.Runtime.InteropServices;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Workers;

namespace DistributedTrainer.Cluster.Tests.Workers;

public sealed class NodeGradientTests
{
    private readonly GradientPool _pool = new(new TestExperiment().Plan());

    [Fact]
    public void A_sum_leaves_alone_what_a_server_still_reads()
    {
        var (left, right) = (Rent(1), Rent(2));
        var lent = left.Share(0);
        left.Add(right);
        Assert.All(MemoryMarshal.Cast<byte, float>(lent.Bytes).ToArray(), static x => Assert.Equal(1, x));
        Assert.All(left.Values.Span.ToArray(), static x => Assert.Equal(3, x));
        lent.Release();
    }

    [Fact]
    public void A_sum_goes_into_the_left_where_nobody_reads_it()
    {
        var (left, right) = (Rent(1), Rent(2));
        var values = left.Values;
        left.Add(right);
        Assert.Same(values, left.Values);
        Assert.All(values.Span.ToArray(), static x => Assert.Equal(3, x));
    }

    [Fact]
    public void Memory_is_used_again_when_all_parts_were_released()
    {
        var gradient = Rent(1);
        var memory = gradient.Values;
        var (first, second) = (gradient.Share(0), gradient.Share(0));
        first.Release();
        _pool.Return(gradient);
        var next = Rent(5);
        Assert.NotSame(memory, next.Values);
        Assert.All(MemoryMarshal.Cast<byte, float>(second.Bytes).ToArray(), static x => Assert.Equal(1, x));
        second.Release();
        Assert.Same(memory, Rent(7).Values);
    }

    [Fact]
    public void After_the_end_memory_goes_back_to_the_system_when_the_server_has_read_it()
    {
        var gradient = Rent(1);
        var lent = gradient.Share(0);
        _pool.Return(gradient);
        _pool.Dispose();
        Assert.Equal(1, MemoryMarshal.Cast<byte, float>(lent.Bytes)[0]);
        lent.Release();
        Assert.Throws<ObjectDisposedException>(() => lent.Bytes.Length);
    }

    private NodeGradient Rent(float value)
    {
        var gradient = _pool.Rent();
        gradient.Values.Span.Fill(value);
        return gradient;
    }
}
