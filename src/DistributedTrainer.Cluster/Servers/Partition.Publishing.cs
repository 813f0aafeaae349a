using System.Runtime.InteropServices;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// A version goes to whoever asked for it: as parameters, or over a network, where gradients are made smaller, as the gradient
/// of its step. Since every node computes the same bits, a worker that has the version before it and the optimizer's state
/// makes the same version of it; one that has not gets both once.
/// </summary>
internal sealed partial class Partition
{
    // As much as a frame carries.
    private const long MostStateBytes = 1 << 30;

    private readonly List<(IChannel Channel, long Version, PullForm Form)> _waiting = [];

    // Whether anybody has pushed over a network so far: then the gradient of each step is kept with its version.
    private bool _keepsUpdates;

    /// <summary>A worker asks again under each assignment: once is enough for the same connection, in the form that it asked for last.</summary>
    private void Await(IChannel channel, long version, PullForm form)
    {
        _waiting.RemoveAll(entry => ReferenceEquals(entry.Channel, channel) && entry.Version == version);
        _waiting.Add((channel, version, form));
    }

    private void AnswerWaiting()
    {
        foreach (var (channel, version, form) in _waiting)
        {
            if (version == _current.Step)
            {
                Send(channel, _current, version, form);
            }
        }

        _waiting.RemoveAll(entry => entry.Version <= _current.Step);
    }

    private void Send(IChannel channel, ParameterVersion version, long step, PullForm form = PullForm.Plain)
    {
        var header = new FrameHeader
        {
            Kind = FrameKind.Parameters,
            Run = _plan.Token,
            Generation = _generation,
            Step = step,
            Partition = _range.Id,
            Count = version.Verdict.Packed,
            Flags = (byte)((byte)version.Asks | (version.IsSkipped ? ParameterFlags.Skipped : 0)),
            PayloadBytes = _versionLength * sizeof(float),
        };

        // Of an older version neither the state is here any more, nor anybody who has the one before it.
        if (form == PullForm.Update && version == _current && version.HasUpdate)
        {
            channel.Post(header with { Flags = (byte)(header.Flags | ParameterFlags.Update), Rows = version.UpdateRows, Sum = version.UpdateScale }, version.ShareUpdate());
        }
        else if (form != PullForm.Plain && version == _current && StateBytes <= MostStateBytes)
        {
            channel.Post(header with { Flags = (byte)(header.Flags | ParameterFlags.State) }, new OwnBytes(WithState(version)));
        }
        else
        {
            channel.Post(header, version.Share());
        }
    }

    private long StateBytes => sizeof(float) * (_versionLength + ((long)_plan.Optimizer.StateVectors * _range.Length));

    // A copy: the next step changes the state.
    private byte[] WithState(ParameterVersion version)
    {
        var all = new float[StateBytes / sizeof(float)];
        version.Values.Span[.._versionLength].CopyTo(all);
        for (var k = 0; k < _plan.Optimizer.StateVectors; k++)
        {
            _state[k].Span[.._range.Length].CopyTo(all.AsSpan(_versionLength + (k * _range.Length)));
        }

        return MemoryMarshal.AsBytes<float>(all).ToArray();
    }
}
