using System.Runtime.InteropServices;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>Putting the state aside for a checkpoint, and beginning with the state of one.</summary>
internal sealed partial class Partition
{
    private readonly CheckpointSchedule? _checkpoints;
    private readonly Spares<ParameterVersion> _copies;
    private Snapshot? _snapshot;

    // The generation up to which its order of updates goes.
    private long _snapshotIn;

    // Nothing is applied any more: what was put aside is the last.
    private bool _held;

    // Which vectors of the state have not come yet; null: it is whole.
    private bool[]? _missing;

    private bool IsRestoring => _missing is not null;

    /// <summary>Whether the state that it begins with has all come.</summary>
    public bool IsWhole
    {
        get
        {
            lock (_gate)
            {
                return !IsRestoring;
            }
        }
    }

    /// <summary>Whether nothing follows what is put aside, until there is a new generation.</summary>
    public bool IsHeld
    {
        get
        {
            lock (_gate)
            {
                return _held;
            }
        }
    }

    /// <summary>Has a checkpoint made at the next occasion; in the lead partition.</summary>
    public void AskCheckpoint(bool last)
    {
        lock (_gate)
        {
            _checkpoints?.Ask(last);
        }
    }

    /// <summary>Puts the current version aside, if it is this one. Returns whether it is.</summary>
    public bool TakeSnapshot(long version)
    {
        lock (_gate)
        {
            if (_disposed || IsRestoring || CurrentStep != version || _loose?.IsEven == false)
            {
                return false;
            }

            if (_snapshot?.Version != version)
            {
                Replace(version);
            }

            return true;
        }
    }

    /// <summary>What is put aside, as it is told; null: nothing of this version.</summary>
    public Verdict? SnapshotVerdict(long version)
    {
        lock (_gate)
        {
            return _snapshot?.Version == version ? _snapshot.Verdict : null;
        }
    }

    /// <summary>The snapshot is not needed any more, nor anything older.</summary>
    public void ForgetSnapshot(long version)
    {
        lock (_gate)
        {
            _checkpoints?.Done(version);
            if (_snapshot?.Version <= version)
            {
                _snapshot.Dispose();
                _snapshot = null;
            }
        }
    }

    /// <summary>Sends one vector of what is put aside; returns a reason where there is no such thing.</summary>
    public string? SendSnapshot(IChannel channel, in FrameHeader request)
    {
        lock (_gate)
        {
            if (_snapshot is not { } snapshot || snapshot.Version != request.Step)
            {
                return $"version {request.Step} of partition {_range.Id} is not put aside";
            }

            CompleteOrder();
            if (request.Count == snapshot.Vectors.Count && snapshot.Order is { } order)
            {
                channel.Post(request with { Kind = FrameKind.Snapshot, PayloadBytes = order.Length }, new OwnBytes(order));
                return null;
            }

            if (request.Count < 0 || request.Count >= snapshot.Vectors.Count)
            {
                return $"vector {request.Count} of partition {_range.Id} does not exist; there are {snapshot.Vectors.Count}";
            }

            var vector = snapshot.Vectors[(int)request.Count];
            channel.Post(request with { Kind = FrameKind.Snapshot, PayloadBytes = vector.Bytes.Length }, vector.Share());
            return null;
        }
    }

    /// <summary>Where a vector of the state goes that the partition begins with; null with a reason: nowhere.</summary>
    public IncomingVector? ReserveRestore(in FrameHeader frame, out string? refusal)
    {
        lock (_gate)
        {
            refusal = frame.Generation != _generation ? $"generation {frame.Generation} is not the current one, {_generation}"
                : _missing is null || _disposed ? $"partition {_range.Id} is not being loaded"
                : frame.Step != _current.Step || frame.Count < 0 || frame.Count >= _missing.Length || !_missing[frame.Count] ? $"vector {frame.Count} of version {frame.Step} is not expected"
                : frame.PayloadBytes != LengthOf((int)frame.Count) * sizeof(float) ? $"vector {frame.Count} of partition {_range.Id} has {LengthOf((int)frame.Count) * sizeof(float)} bytes, not {frame.PayloadBytes}"
                : null;
            return refusal is null ? Incoming((int)frame.Count) : null;
        }
    }

    /// <summary>A vector has come; with the last one the partition can be trained on.</summary>
    public void CompleteRestore(IncomingVector vector)
    {
        lock (_gate)
        {
            vector.Dispose();
            if (_missing is null || _disposed)
            {
                return;
            }

            CrashPoint.Reach("server.loading", _current.Step);
            _missing[vector.Index] = false;
            if (!_missing.Contains(true))
            {
                _missing = null;
                AnswerWaiting();
                ReleaseMembers();
                _events.Restored();
            }
        }
    }

    /// <summary>Makes room for a state that comes from elsewhere.</summary>
    private bool[] BeginRestoring()
    {
        if (HasBest(_verdict))
        {
            _best = _versions.Rent().Open(_verdict.BestVersion, default);
        }

        var missing = new bool[1 + _plan.StateVectors + (_best is null ? 0 : 1)];
        Array.Fill(missing, true);
        return missing;
    }

    // Parameters, each vector of the optimizer's state, and the best version: as in a snapshot. What is averaged comes apart,
    // and lies behind the parameters.
    private int LengthOf(int index) => index > 0 && index <= _plan.StateVectors ? _range.Length : _range.Length + (_versionLength - _width);

    private bool IsAveraged(int index) => index > 0 && index <= _plan.AveragedVectors;

    private IncomingVector Incoming(int index)
    {
        var version = index == 0 || IsAveraged(index) ? _current : index > _plan.StateVectors ? _best! : null;
        var place = version?.Values ?? _state[index - 1 - _plan.AveragedVectors];
        return new IncomingVector(this, index, place, IsAveraged(index) ? index * _range.Length : 0, LengthOf(index), version?.Share());
    }

    private bool HasBest(Verdict verdict) => verdict.BestVersion > 0 && _plan.RestoresBest;

    /// <summary>After a step, where its pushes asked for it.</summary>
    private void PutAside()
    {
        var asked = _asked;
        _asked = CheckpointAsk.None;
        if ((asked & CheckpointAsk.Snapshot) != 0 && !HasResiduals(CurrentStep))
        {
            // One was lost on its way: the next occasion will do.
            _checkpoints?.Done(CurrentStep);
        }
        else if ((asked & CheckpointAsk.Snapshot) != 0)
        {
            _held = (asked & CheckpointAsk.Last) != 0;
            Replace(CurrentStep);
            CrashPoint.Reach("server.snapshot", CurrentStep);
            _events.SnapshotTaken(CurrentStep);
        }
    }

    /// <summary>
    /// Another partition may have come to the version in a later generation, with gradients that were computed with what this
    /// one has sent since it put the version aside: that belongs to how the version came about. Nothing that was applied after it does.
    /// </summary>
    private void CompleteOrder()
    {
        if (_snapshot is { Order: not null } snapshot && _snapshotIn != _generation && CurrentStep == snapshot.Version && _loose!.IsEven)
        {
            snapshot.Order = _order!.ToArray();
        }
    }

    private void Replace(long version)
    {
        // One at a time: whoever was fetching the one before finds that it is gone.
        _snapshot?.Dispose();

        // Not what pushes of the next step have said meanwhile: that belongs to the version after this one.
        var verdict = _current.Verdict;
        var vectors = new List<ParameterVersion> { WithoutState(_current) };
        for (var k = 0; k < _plan.AveragedVectors; k++)
        {
            vectors.Add(Copy(_current.Values.Span.Slice((1 + k) * _range.Length, _range.Length), version, verdict));
        }

        foreach (var state in _state)
        {
            vectors.Add(Copy(state.Span[.._range.Length], version, verdict));
        }

        if (!HasResiduals(version))
        {
            // Put aside without having been asked for before its step, such as at the end: it says so.
            foreach (var residual in vectors[^_plan.ResidualVectors..])
            {
                residual.Values.Span.Fill(float.NaN);
            }
        }

        if (HasBest(verdict))
        {
            vectors.Add(WithoutState(_best!));
        }

        (_snapshot, _snapshotIn) = (new Snapshot(version, verdict, [.. vectors], _order?.ToArray()), _generation);
    }

    private ParameterVersion WithoutState(ParameterVersion version) =>
        _plan.AveragedVectors == 0 ? version.Share() : Copy(version.Values.Span[.._range.Length], version.Step, version.Verdict);

    private ParameterVersion Copy(ReadOnlySpan<float> vector, long version, Verdict verdict)
    {
        var copy = _copies.Rent().Open(version, verdict);
        vector.CopyTo(copy.Values.Span);
        return copy;
    }
}
