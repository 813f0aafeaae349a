using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>A step whose gradient is to be clipped by its norm is whole here before it can be applied: other partitions have the rest of it.</summary>
internal sealed partial class Partition
{
    // Null: the norm is not clipped.
    private readonly NormBoard? _norms;
    private readonly double[] _squares = [];

    // The two halves of the step that waits for its norm; null: none does.
    private LeafBuffer? _heldLeft;
    private LeafBuffer? _heldRight;
    private bool _normAsked;

    private bool AwaitsNorm => _heldLeft is not null;

    /// <summary>All leaves are there. Returns whether the other partitions of this server are to be told, outside of the lock.</summary>
    private bool AwaitNorm(LeafBuffer left, LeafBuffer? right)
    {
        (_heldLeft, _heldRight, _normAsked) = (left, right, false);
        if (FaultOf(left, right) != LeafFault.None)
        {
            // All partitions see it, and none needs the norm.
            ApplyHeld(1);
            return false;
        }

        _update.SumSquares(left, right, _squares);
        var last = _norms!.Offer(_current.Step, _range.Id, _squares);
        if (!TryApplyHeld() && _waiting.Exists(entry => entry.Version == _current.Step + 1))
        {
            AskNorm(_waiting.Find(entry => entry.Version == _current.Step + 1).Channel);
        }

        return last;
    }

    /// <summary>The norm of a step has become known.</summary>
    private void OnNorm(long step)
    {
        lock (_gate)
        {
            if (_current.Step == step && !_disposed)
            {
                TryApplyHeld();
            }
        }
    }

    private bool TryApplyHeld()
    {
        if (_heldLeft is not { } left || !_norms!.TryGet(_current.Step, out var sumOfSquares))
        {
            return false;
        }

        ApplyHeld(GradientNorm.Scale(sumOfSquares, left.Rows + (_heldRight?.Rows ?? 0), _plan.ClipNorm!.Value));
        return true;
    }

    private void ApplyHeld(float scale)
    {
        try
        {
            Apply(_heldLeft!, _heldRight, scale);
        }
        finally
        {
            DropHeld();
        }
    }

    private void DropHeld()
    {
        if (_heldLeft is not null)
        {
            _buffers.Return(_heldLeft);
        }

        if (_heldRight is not null)
        {
            _buffers.Return(_heldRight);
        }

        (_heldLeft, _heldRight) = (null, null);
    }

    /// <summary>One of those who wait for the step takes the sums to the other servers; whoever waits long is asked too.</summary>
    private void AskNorm(IChannel channel, bool again = false)
    {
        if (AwaitsNorm && (again || !_normAsked))
        {
            _normAsked = true;
            var frame = new FrameHeader { Run = _plan.Token, Generation = _generation, Step = _current.Step, Partition = _range.Id };
            _norms!.Send(channel, frame, asks: true);
        }
    }
}
