using System.Runtime.InteropServices;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// What has arrived for one worker: partitions of the wanted version, totals of batch-norm statistics, verdicts.
/// Reader threads fill it; the step loop waits on <see cref="Gate"/>.
/// </summary>
internal sealed partial class WorkerInbox
{
    private readonly TrainingPlan _plan;
    private readonly Replica? _replica;

    // Of each partition: the payload that is read in place, or the copy where the channel cannot lend.
    private readonly IPayloadLease?[] _leases;
    private readonly AlignedBuffer?[] _staged;
    private readonly bool[] _arrived;
    private readonly ColumnSums[] _totals;
    private readonly long[] _totalSteps;
    private long _wanted = -1;

    // The step whose totals are awaited.
    private long _exchanged = -1;
    private volatile int _missing;

    // Whether each partition is waited for by itself.
    private bool _inParts;
    private Verdict _arrivedVerdict;
    private CheckpointAsk _arrivedAsk;
    private int _askedAt;
    private bool _arrivedApart;
    private int _arrivedSkips;
    private bool _arrivedSkipped;

    // Verdicts of older generations are of a course of the run that was given up.
    private long _loaded;

    /// <param name="plan">The run.</param>
    /// <param name="replica">What versions are made of where they come as gradients; null: they come as parameters.</param>
    public WorkerInbox(TrainingPlan plan, Replica? replica = null)
    {
        (_plan, _replica) = (plan, replica);
        _residualThere = new bool[plan.Ranges.Count];
        _arrivals = [.. plan.Ranges.Select(static _ => new Arrival())];
        _staged = new AlignedBuffer?[plan.Ranges.Count];
        _leases = new IPayloadLease?[_staged.Length];
        _arrived = new bool[_staged.Length];
        _missing = _arrived.Length;
        _totals = [.. plan.Model.BatchNorms.SelectMany(slot => new[] { new ColumnSums(slot.Channels), new ColumnSums(slot.Channels) })];
        _totalSteps = new long[_totals.Length];
        Array.Fill(_totalSteps, -1);
        AnswerBytes = ShardMask.Bytes(plan.Shards);
        _answers = [.. plan.Ranges.Select(_ => new Answer(new byte[AnswerBytes]))];
    }

    public object Gate { get; } = new();

    /// <summary>Bytes of the most sums of squares that a partition has.</summary>
    public int NormBytes => _plan.Ranges.Max(static range => GradientNorm.Blocks(range.Length)) * sizeof(double);

    /// <summary>The last version whose evaluation is complete.</summary>
    public long EvaluatedVersion { get; private set; } = -1;

    /// <summary>What is known of the evaluations at the version that was copied last, or evaluated since.</summary>
    public Verdict Verdict { get; private set; }

    /// <summary>What the version that was copied last asks of its step.</summary>
    public CheckpointAsk Ask { get; private set; }

    /// <summary>Whether the leaves of the version that was copied last are to be pushed one by one.</summary>
    public bool IsApart { get; private set; }

    /// <summary>Steps behind the version that was copied last whose leaves all servers have.</summary>
    public int Skips { get; private set; }

    /// <summary>Whether the step that led to the version that was copied last was left out.</summary>
    public bool IsSkipped { get; private set; }

    /// <summary>Whether the last evaluation ended the training.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Why a server cannot be reached; null while all is well.</summary>
    public string? Broken { get; private set; }

    /// <summary>Where the server of the broken connection is.</summary>
    public string? BrokenServer { get; private set; }

    /// <summary>What computes with a version where it lies, until it is given back; null: versions are copied.</summary>
    public Workspace? Reader { get; set; }

    /// <summary>Whether it may: who waits for nobody gets a version once, and has to keep it.</summary>
    public bool Lends { get; set; }

    /// <summary>Whether all partitions of the wanted version are there. Without the lock: it may be asked again and again.</summary>
    public bool IsWhole => _missing == 0;

    /// <summary>Starts to wait for a version; false: it is being waited for already.</summary>
    /// <param name="version">The version.</param>
    /// <param name="inParts">Whether each of its partitions is of use by itself.</param>
    public bool Want(long version, bool inParts = false)
    {
        lock (Gate)
        {
            if (_wanted == version)
            {
                return false;
            }

            (_wanted, _inParts) = (version, inParts);
            GiveBack();
            ForgetAnswers();
            Array.Clear(_arrived);
            _missing = _arrived.Length;
            (_arrivedApart, _arrivedSkips, _arrivedSkipped) = (false, int.MaxValue, false);
            return true;
        }
    }

    /// <summary>Where a partition's bytes go; empty: not wanted (any more), or not of the right length.</summary>
    public Span<byte> PlaceFor(in FrameHeader header)
    {
        lock (Gate)
        {
            return IsWanted(header) ? PlaceOf(header) : [];
        }
    }

    /// <summary>A partition's parameters where the server keeps them; false: not wanted, or not of the right length.</summary>
    public bool Borrow(in FrameHeader header, IPayloadLease lease)
    {
        var partition = header.Partition;
        lock (Gate)
        {
            if (!IsWanted(header) || lease.Bytes.Length != LengthOf(partition) * sizeof(float))
            {
                return false;
            }

            _leases[partition] = lease;
            Arrived(header);
            return true;
        }
    }

    /// <summary>A partition's parameters are whole. Returns a reason where they are damaged.</summary>
    public string? Arrived(in FrameHeader header)
    {
        var partition = header.Partition;
        lock (Gate)
        {
            if (!IsWanted(header))
            {
                return null;
            }
        }

        // Not within the lock: it takes a millisecond, and nobody else has to do with it before it has arrived.
        if (!TryRead(header))
        {
            return $"version {header.Step} of partition {partition} is damaged: its {header.PayloadBytes} bytes are no gradient";
        }

        lock (Gate)
        {
            if (IsWanted(header))
            {
                var arrival = _arrivals[partition];
                (arrival.Form, arrival.Rows, arrival.Scale) = (FormOf(header), header.Rows, header.Sum);
                _arrivedVerdict = Verdict.Unpack(header.Count);
                (_arrivedAsk, _askedAt) = partition == 0 ? (ParameterFlags.AskIn(header.Flags), header.Index) : (_arrivedAsk, _askedAt);
                (_arrivedApart, _arrivedSkips) = (_arrivedApart || (header.Flags & ParameterFlags.Apart) != 0, Math.Min(_arrivedSkips, header.Index));
                _arrivedSkipped |= (header.Flags & ParameterFlags.Skipped) != 0;
                _arrived[partition] = true;
                if (--_missing == 0)
                {
                    ForgetAnswers();
                    Monitor.PulseAll(Gate);
                }
                else if (_inParts)
                {
                    Monitor.PulseAll(Gate);
                }
            }
        }

        return null;
    }

    /// <summary>Whether a partition of the wanted version is there.</summary>
    public bool Has(int partition)
    {
        lock (Gate)
        {
            return _arrived[partition];
        }
    }

    /// <summary>Takes a whole version over: what comes with it is known from now on, unless its evaluation has said more since.</summary>
    public void Take()
    {
        if (Reader is { } reader)
        {
            reader.LacksParameters = false;
        }

        lock (Gate)
        {
            Verdict = EvaluatedVersion == _wanted ? Verdict : _arrivedVerdict;
            IsSkipped = _arrivedSkipped;

            // What the lead partition asks for is of the step that it named, which another partition may not have reached.
            (Ask, IsApart, Skips) = (_askedAt == _arrivedSkips ? _arrivedAsk : CheckpointAsk.None, _arrivedApart, _arrivedSkips);
        }
    }

    /// <summary>Takes a whole version over and copies it to where the model computes.</summary>
    /// <param name="parameters">Where parameters go.</param>
    /// <param name="buffers">Where running statistics go.</param>
    /// <param name="state">Where what is averaged of the optimizer's state goes; default: nowhere.</param>
    public void CopyTo(Span<float> parameters, Span<float> buffers, ReadOnlySpan<AlignedBuffer> state = default)
    {
        Take();
        for (var partition = 0; partition < _staged.Length; partition++)
        {
            CopyTo(parameters, buffers, partition, state);
        }
    }

    /// <summary>
    /// Copies a partition that is there to where the model computes, or has the model compute with it where it lies. It is given
    /// back with the pushes, so that the server wakes once for both.
    /// </summary>
    public void CopyTo(Span<float> parameters, Span<float> buffers, int partition, ReadOnlySpan<AlignedBuffer> state = default)
    {
        if (_arrivals[partition] is { Form: not PullForm.Plain } arrival)
        {
            CopyByReplica(arrival, parameters, buffers, partition);
            return;
        }

        _replica?.Forget(partition);
        var range = _plan.Ranges[partition];
        var values = _leases[partition] is { } lease ? MemoryMarshal.Cast<byte, float>(lease.Bytes) : _staged[partition]!.Span;
        if (Lends && Reader is { } reader && _leases[partition] is not null)
        {
            reader.Lend(range.Offset, values[..range.Length]);
        }
        else
        {
            values[..range.Length].CopyTo(parameters[range.Offset..]);
        }

        values.Slice(_plan.WidthOf(range), BuffersIn(partition)).CopyTo(buffers);
        for (var k = 0; k < state.Length; k++)
        {
            values.Slice((1 + k) * range.Length, range.Length).CopyTo(state[k].Span[range.Offset..]);
        }
    }

    /// <summary>From now on totals of this step are awaited.</summary>
    public void ExpectTotals(long step)
    {
        lock (Gate)
        {
            _exchanged = step;
        }
    }

    /// <summary>Whether a total of statistics with so many values is awaited.</summary>
    public bool AwaitsTotal(long layer, bool backward, long step, int values)
    {
        lock (Gate)
        {
            return IsAwaited(layer, backward, step) && _totals[TotalAt(layer, backward)].Values.Length == values;
        }
    }

    // Copied under the lock: a frame that is no longer awaited when it is whole must not have touched what is read.
    public void TotalArrived(long layer, bool backward, long step, int rows, ReadOnlySpan<double> values)
    {
        lock (Gate)
        {
            if (IsAwaited(layer, backward, step))
            {
                values.CopyTo(_totals[TotalAt(layer, backward)].Values);
                _totals[TotalAt(layer, backward)].Rows = rows;
                _totalSteps[TotalAt(layer, backward)] = step;
                Monitor.PulseAll(Gate);
            }
        }
    }

    /// <summary>Whether the total of a step has come.</summary>
    public bool HasTotal(int layer, bool backward, long step)
    {
        lock (Gate)
        {
            return _totalSteps[TotalAt(layer, backward)] == step;
        }
    }

    /// <summary>The total of a step, if it has come.</summary>
    public bool TryTakeTotal(int layer, bool backward, long step, Span<double> into, out long rows)
    {
        lock (Gate)
        {
            var at = TotalAt(layer, backward);
            rows = _totals[at].Rows;
            if (_totalSteps[at] != step)
            {
                return false;
            }

            _totals[at].Values.AsSpan().CopyTo(into);
            return true;
        }
    }

    public void VerdictArrived(long generation, long version, long verdict, bool stop)
    {
        lock (Gate)
        {
            if (version > EvaluatedVersion && generation >= _loaded)
            {
                (EvaluatedVersion, Verdict, Stopped) = (version, Verdict.Unpack(verdict), stop);
            }

            Monitor.PulseAll(Gate);
        }
    }

    /// <summary>Training goes back to a version: what is known of later ones is forgotten.</summary>
    /// <param name="generation">The one that loaded its state.</param>
    /// <param name="version">The version.</param>
    public void GoBack(long generation, long version)
    {
        lock (Gate)
        {
            _loaded = generation;
            _replica?.Forget();
            (EvaluatedVersion, Stopped, LeadVersion) = (version - 1, false, -1);
            Array.Fill(_totalSteps, -1);
        }
    }

    public void Break(string server, string reason)
    {
        lock (Gate)
        {
            // The first reason is the cause; what follows from it says less.
            (BrokenServer, Broken) = Broken is null ? (server, reason) : (BrokenServer, Broken);
            Monitor.PulseAll(Gate);
        }
    }

    /// <summary>Nothing is wanted any more.</summary>
    public void Close()
    {
        lock (Gate)
        {
            _wanted = -1;
            _missing = _arrived.Length;
            ForgetAnswers();
            GiveBack();
        }
    }

    /// <summary>New connections: what was pulled over old ones is asked for again.</summary>
    public void Mend()
    {
        lock (Gate)
        {
            (BrokenServer, Broken, _wanted) = (null, null, -1);
            _missing = _arrived.Length;
            ForgetAnswers();
            GiveBack();
        }
    }

    // A copy may be under way to the staged memory of a partition, never two: one connection serves it.
    // What was sent before training went back may come after the assignment that says so: it would put this worker ahead of
    // partitions that wait for its push.
    private bool IsWanted(in FrameHeader header) => header.Generation >= _loaded && IsWanted(header.Partition, header.Step);

    private bool IsWanted(int partition, long version) => partition >= 0 && partition < _staged.Length && version == _wanted && !_arrived[partition];

    private bool IsAwaited(long layer, bool backward, long step) =>
        step == _exchanged && layer >= 0 && layer < _totals.Length / 2 && _totalSteps[TotalAt(layer, backward)] != step;

    private static int TotalAt(long layer, bool backward) => (2 * (int)layer) + (backward ? 1 : 0);

    private void GiveBack()
    {
        Reader?.TakeBack();
        for (var p = 0; p < _leases.Length; p++)
        {
            _leases[p]?.Dispose();
            _leases[p] = null;
        }
    }

    private int LengthOf(int partition) => _plan.WidthOf(_plan.Ranges[partition]) + BuffersIn(partition);

    private int BuffersIn(int partition) => partition == 0 ? _plan.Model.Buffers.Length : 0;
}
