using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Where the threads of a worker meet in the course of a step, if they do: for the statistics of batch norm, and where parameters
/// come and gradients leave while it is computed. The step thread, which has the first pass, speaks with the servers for all
/// of them; where it breaks off, all do. Otherwise each thread goes through its pass alone.
/// </summary>
internal sealed class StepMeeting
{
    private readonly ThreadGate _gate;
    private readonly Action _turn;
    private readonly Func<bool> _haveCome;
    private readonly Lock _reports = new();

    // What all passes bring, one leaf after the other, and what comes of it.
    private readonly LeafSegment[] _segments;
    private readonly double[] _leaves;
    private readonly double[] _total;
    private IBatchStatisticsExchange _exchange = null!;
    private IVersionFlow _flow = null!;
    private LeafPass[] _passes = [];
    private int _segmentCount;
    private long _count;
    private int _told;
    private int _others;
    private int _come;
    private int _held;
    private int _awaited;
    private bool _broken;

    /// <param name="plan">The run.</param>
    /// <param name="gate">Where the threads wait.</param>
    /// <param name="turn">Gives the gradients places; called while all passes have gone forward and none has turned.</param>
    public StepMeeting(TrainingPlan plan, ThreadGate gate, Action turn)
    {
        (_gate, _turn) = (gate, turn);
        _haveCome = () => Volatile.Read(ref _come) == _others * (_held + 1) || IsBroken;
        var columns = plan.Model.BatchNorms.Select(static slot => 2 * slot.Channels).Append(0).Max();
        (_segments, _leaves, _total) = (new LeafSegment[plan.Shards], new double[columns * plan.Shards], new double[columns]);
    }

    /// <summary>Whether parameters come or gradients leave while the step is computed.</summary>
    public bool Flows { get; private set; }

    /// <summary>Meetings that are over.</summary>
    public int Held => Volatile.Read(ref _held);

    /// <summary>The parameters before this one are in place.</summary>
    public int Awaited => Volatile.Read(ref _awaited);

    /// <summary>Whether the passes are given up.</summary>
    public bool IsBroken => Volatile.Read(ref _broken);

    /// <summary>Before the passes begin.</summary>
    /// <param name="passes">The step thread's first.</param>
    /// <param name="count">How many of them have leaves.</param>
    /// <param name="exchange">Statistics of the leaves that are computed elsewhere.</param>
    /// <param name="flow">How parameters come and gradients leave.</param>
    public void Begin(LeafPass[] passes, int count, IBatchStatisticsExchange exchange, IVersionFlow flow)
    {
        (_passes, _exchange, _flow, Flows) = (passes, exchange, flow, flow.Overlaps || flow.IsArriving);
        (_others, _come, _held, _broken, _segmentCount) = (count - 1, 0, 0, false, 0);
        _awaited = flow.IsArriving ? 0 : int.MaxValue;
        for (var i = 0; i < count; i++)
        {
            passes[i].Join(_segmentCount);
            passes[i].Segments.CopyTo(_segments.AsSpan(_segmentCount));
            _segmentCount += passes[i].Segments.Length;
        }

        _told = Done;
    }

    /// <summary>From here on the gradients of all leaves are done and finite.</summary>
    public int Done
    {
        get
        {
            var done = 0;
            for (var i = 0; i <= _others; i++)
            {
                done = Math.Max(done, _passes[i].Done);
            }

            return done;
        }
    }

    /// <summary>Whether more is done than was told.</summary>
    public bool HasProgress => Done < _told;

    /// <summary>A pass has got further.</summary>
    public void Progress(LeafPass pass)
    {
        if (pass.IsFirst)
        {
            Tell();
        }
        else
        {
            _gate.Call();
        }
    }

    /// <summary>Tells how far all are.</summary>
    public void Tell()
    {
        if (Flows && Done is var done && done < _told)
        {
            _told = done;
            _flow.Done(done);
        }
    }

    /// <summary>Nobody waits any more.</summary>
    public void Break()
    {
        Volatile.Write(ref _broken, true);
        _gate.Call();
    }

    /// <inheritdoc cref="IParameterFlow.Await"/>
    public void Await(LeafPass pass, int end)
    {
        if (!pass.IsFirst)
        {
            if (Awaited < end)
            {
                pass.Wanted = end;
                _gate.Until(pass.IsAwaited);
                ThrowIfBroken();
            }

            return;
        }

        _flow.Await(end);
        if (_awaited < end)
        {
            Volatile.Write(ref _awaited, end);
            _gate.Call();
        }
    }

    /// <inheritdoc cref="IParameterFlow.Turn"/>
    public void Turn(LeafPass pass)
    {
        if (!Flows)
        {
            return;
        }

        if (pass.IsFirst)
        {
            Gather();
            _flow.Turn();
            Volatile.Write(ref _awaited, int.MaxValue);
            _turn();
            Release();
        }
        else
        {
            Come(pass);
        }
    }

    /// <inheritdoc cref="IBatchStatisticsExchange.Forward"/>
    public long Forward(LeafPass pass, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        if (_others == 0)
        {
            return _exchange.Forward(slot, segments, leaves, total);
        }

        var sum = _total.AsSpan(0, total.Length);
        leaves.CopyTo(_leaves.AsSpan(pass.FirstSegment * total.Length));
        if (pass.IsFirst)
        {
            Gather();
            _count = _exchange.Forward(slot, _segments.AsSpan(0, _segmentCount), _leaves.AsSpan(0, _segmentCount * total.Length), sum);
            Release();
        }
        else
        {
            Come(pass);
        }

        sum.CopyTo(total);
        return _count;
    }

    /// <inheritdoc cref="IBatchStatisticsExchange.Backward"/>
    public void Backward(LeafPass pass, BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves, Span<double> total)
    {
        if (_others == 0)
        {
            _exchange.Backward(slot, segments, leaves, total);
            return;
        }

        var sum = _total.AsSpan(0, total.Length);
        leaves.CopyTo(_leaves.AsSpan(pass.FirstSegment * total.Length));
        if (pass.IsFirst)
        {
            Gather();
            _exchange.Backward(slot, _segments.AsSpan(0, _segmentCount), _leaves.AsSpan(0, _segmentCount * total.Length), sum);
            Release();
        }
        else
        {
            Come(pass);
        }

        sum.CopyTo(total);
    }

    /// <inheritdoc cref="IBatchStatisticsExchange.Report"/>
    public void Report(BatchNormSlot slot, ReadOnlySpan<LeafSegment> segments, ReadOnlySpan<double> leaves)
    {
        lock (_reports)
        {
            _exchange.Report(slot, segments, leaves);
        }
    }

    /// <summary>The step thread waits for the others.</summary>
    private void Gather()
    {
        if (_others > 0)
        {
            _gate.Until(_haveCome);
            ThrowIfBroken();
        }
    }

    private void Release()
    {
        if (_others > 0)
        {
            Volatile.Write(ref _held, _held + 1);
            _gate.Call();
        }
    }

    /// <summary>The others wait for the step thread.</summary>
    private void Come(LeafPass pass)
    {
        Interlocked.Increment(ref _come);
        _gate.Call();
        _gate.Until(pass.IsReleased);
        ThrowIfBroken();
        pass.Met++;
    }

    private void ThrowIfBroken()
    {
        if (IsBroken)
        {
            throw new ExchangeAbandonedException();
        }
    }
}
