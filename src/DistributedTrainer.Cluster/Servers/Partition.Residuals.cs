using System.Runtime.InteropServices;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// What error feedback has not sent yet of each shard's gradients lives with the worker that computes the shard. Of a version
/// that is put aside it lies here too, behind the optimizer's state: whoever goes on from there begins with it.
/// </summary>
internal sealed partial class Partition
{
    // Of each shard: the version whose residual is here; −1: none is, or it is on its way. Empty: there are no residuals.
    private readonly long[] _residualVersions;

    /// <summary>Where a shard's residual after a step goes; empty with a reason: nowhere.</summary>
    public Span<byte> ReserveResidual(in FrameHeader frame, out string? refusal)
    {
        lock (_gate)
        {
            refusal = MisfitOfResidual(frame)
                ?? (frame.Generation != _generation ? StaleText(frame.Generation)
                : IsRestoring || frame.Step != _current.Step ? $"the residual after step {frame.Step} is not expected at version {_current.Step}"
                : frame.PayloadBytes != _range.Length * sizeof(float) ? $"the residual of shard {frame.Index} in partition {_range.Id} has {_range.Length * sizeof(float)} bytes, not {frame.PayloadBytes}"
                : null);
            if (refusal is not null)
            {
                return [];
            }

            // Two of the same step have the same bits: it does not matter which is whole first.
            _residualVersions[frame.Index] = -1;
            return MemoryMarshal.AsBytes(ResidualOf(frame.Index));
        }
    }

    /// <summary>It is whole.</summary>
    public void CompleteResidual(in FrameHeader frame)
    {
        lock (_gate)
        {
            _residualVersions[frame.Index] = frame.Step + 1;
        }
    }

    /// <summary>Sends a shard's residual at a version; returns a reason where it is not here.</summary>
    public string? SendResidual(IChannel channel, in FrameHeader request)
    {
        lock (_gate)
        {
            if (MisfitOfResidual(request) is { } misfit)
            {
                return misfit;
            }

            if (_disposed || IsRestoring || _residualVersions[request.Index] != request.Step)
            {
                return $"the residual of shard {request.Index} at version {request.Step} is not here";
            }

            var copy = MemoryMarshal.AsBytes(ResidualOf(request.Index)).ToArray();
            channel.Post(request with { Kind = FrameKind.Residual, PayloadBytes = copy.Length }, new OwnBytes(copy));
            return null;
        }
    }

    private string? MisfitOfResidual(in FrameHeader frame) =>
        frame.Index >= 0 && frame.Index < _residualVersions.Length ? null : $"shard {frame.Index} has no residual";

    private Span<float> ResidualOf(int shard) => _state[_plan.Optimizer.StateVectors + shard].Span[.._range.Length];

    /// <summary>Whether the residuals of all shards are here at a version. One may have been lost on its way.</summary>
    private bool HasResiduals(long version) => Array.TrueForAll(_residualVersions, held => held == version);
}
