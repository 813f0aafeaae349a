using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Compression;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// The gradient of one tree node, all partitions of it. What was pushed may be read by servers in place, until they
/// release it: then it is not written any more, and a sum goes elsewhere.
/// </summary>
internal sealed class NodeGradient(GradientPool pool)
{
    private GradientMemory _memory = pool.RentMemory();

    /// <summary>
    /// The flat vector of a gradient. Where shards take steps by themselves: of partition after partition the parameters, and
    /// behind them the vectors of the optimizer's state, all of them weighted.
    /// </summary>
    public AlignedBuffer Values => _memory.Values;

    /// <summary>Loss summed over the node's rows.</summary>
    public double LossSum { get; set; }

    public int Rows { get; set; }

    /// <summary>What is wrong with the numbers of the node's leaves.</summary>
    public LeafFault Fault { get; set; }

    /// <summary>The part of one partition, to be posted once.</summary>
    public IPayload Share(int partition) => _memory.Share(partition);

    /// <summary>The part of one partition as the codec writes it, to be posted once.</summary>
    public IPayload ShareWritten(int partition) => _memory.ShareWritten(partition);

    /// <summary>Adds the right sibling.</summary>
    public void Add(NodeGradient right)
    {
        if (_memory.IsLent)
        {
            var sum = pool.RentMemory();
            ElementWise.Add(sum.Values.Span, Values.Span, right.Values.Span);
            _memory.Release();
            _memory = sum;
        }
        else
        {
            ElementWise.AddTo(Values.Span, right.Values.Span);
            _memory.Changed();
        }

        pool.Codec?.RoundSum(Values.Span);

        AddCounts(right);
    }

    /// <summary>Adds [from, to) of the right sibling, in place: what is lent of it, if anything, lies behind that.</summary>
    public void AddPart(NodeGradient right, int from, int to) => ElementWise.AddTo(Values.Span[from..to], right.Values.Span[from..to]);

    /// <summary>Adds all but the values.</summary>
    public void AddCounts(NodeGradient right)
    {
        LossSum += right.LossSum;
        Rows += right.Rows;
        Fault |= right.Fault;
    }

    /// <summary>The sum of squares, in the fixed tree over blocks.</summary>
    public double SumOfSquares()
    {
        var sums = new double[GradientNorm.Blocks(Values.Length)];
        GradientNorm.BlockSums(Values.Span, sums);
        return GradientNorm.Combine(sums);
    }

    /// <summary>Holds the norm of the mean within a limit. Not to be called once it was pushed.</summary>
    public void Clip(double maximum)
    {
        if (Fault == LeafFault.None && GradientNorm.Scale(SumOfSquares(), Rows, maximum) is var scale and < 1)
        {
            ElementWise.Scale(Values.Span, Values.Span, scale);
        }
    }

    /// <summary>The end of this object.</summary>
    public void GiveBack() => _memory.Release();

    /// <summary>Memory that no server reads any more.</summary>
    public void Renew()
    {
        if (_memory.IsLent)
        {
            _memory.Release();
            _memory = pool.RentMemory();
        }

        _memory.Changed();
    }
}

/// <summary>Gradients and their memory, used again from step to step: two sets where servers release late.</summary>
internal sealed class GradientPool(TrainingPlan plan) : IDisposable
{
    private readonly Spares<GradientMemory> _memory = new(spares => new GradientMemory(plan, spares));
    private readonly Stack<NodeGradient> _free = [];

    /// <summary>How gradients are made smaller; null: they are not.</summary>
    public GradientCodec? Codec => plan.Codec;

    /// <summary>A gradient with any content. One thread rents and returns.</summary>
    public NodeGradient Rent()
    {
        if (!_free.TryPop(out var gradient))
        {
            return new NodeGradient(this);
        }

        gradient.Renew();
        return gradient;
    }

    public void Return(NodeGradient gradient) => _free.Push(gradient);

    /// <summary>No gradient is used any more; what a server still reads is given back when it has been read.</summary>
    public void Dispose()
    {
        while (_free.TryPop(out var gradient))
        {
            gradient.GiveBack();
        }

        _memory.Dispose();
    }

    internal GradientMemory RentMemory() => _memory.Rent().Open();
}

/// <summary>Memory of a gradient, counted: its owner and every part that is on its way to a server.</summary>
internal sealed class GradientMemory : IDisposable
{
    private readonly Spares<GradientMemory> _spares;
    private readonly SharedFloats _memory;
    private readonly Part[] _parts;
    private readonly WrittenPart[] _writtenParts;
    private int _users;

    public GradientMemory(TrainingPlan plan, Spares<GradientMemory> spares)
    {
        _spares = spares;
        _memory = new SharedFloats(plan.Ranges.Sum(plan.WidthOf));
        _parts = [.. plan.Ranges.Select(range => new Part(this, range.Offset * (1 + plan.AveragedVectors), plan.WidthOf(range)))];
        _writtenParts = plan.Codec is { } codec ? [.. plan.Ranges.Select(range => new WrittenPart(this, range.Offset, range.Length, codec))] : [];
    }

    public AlignedBuffer Values => _memory.Values;

    public bool IsLent => Volatile.Read(ref _users) > 1;

    public GradientMemory Open()
    {
        Changed();
        Volatile.Write(ref _users, 1);
        return this;
    }

    public IPayload Share(int partition)
    {
        Interlocked.Increment(ref _users);
        return _parts[partition];
    }

    /// <summary>The same as the codec writes it: once, however often it is posted. The thread that owns the values calls it.</summary>
    public IPayload ShareWritten(int partition)
    {
        Interlocked.Increment(ref _users);
        _writtenParts[partition].Write();
        return _writtenParts[partition];
    }

    /// <summary>The values are others now.</summary>
    public void Changed()
    {
        foreach (var part in _writtenParts)
        {
            part.Forget();
        }
    }

    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            _spares.Return(this);
        }
    }

    public void Dispose() => _memory.Dispose();

    private sealed class Part(GradientMemory memory, int offset, int length) : IPayload
    {
        public ReadOnlySpan<byte> Bytes => MemoryMarshal.AsBytes(memory.Values.Span.Slice(offset, length));

        public void Release() => memory.Release();
    }

    private sealed class WrittenPart(GradientMemory memory, int offset, int length, GradientCodec codec) : IPayload
    {
        private byte[] _bytes = [];
        private int _count;

        public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _count);

        public void Write()
        {
            if (_count == 0)
            {
                _bytes = _bytes.Length == 0 ? new byte[codec.MostBytes(length)] : _bytes;
                _count = codec.Write(memory.Values.Span.Slice(offset, length), _bytes);
            }
        }

        public void Forget() => _count = 0;

        public void Release() => memory.Release();
    }
}
