namespace DistributedTrainer.Channels;

/// <summary>What a frame is about. The channel itself only acts on <see cref="Hello"/>.</summary>
public enum FrameKind : byte
{
    /// <summary>Opens a connection, in both directions. Never reaches a handler and may not be sent by hand.</summary>
    Hello = 1,

    /// <summary>Worker to server: the gradient sum of a tree node, one partition.</summary>
    Push,

    /// <summary>Worker to server: batch-norm sums of leaves.</summary>
    Statistics,

    /// <summary>Server to worker: batch-norm sums of the whole global batch.</summary>
    StatisticsTotal,

    /// <summary>Worker to server: asks for the parameters of a partition.</summary>
    Pull,

    /// <summary>Server to worker: the parameters of a partition.</summary>
    Parameters,

    /// <summary>Coordinator to server: asks for one vector of a snapshot.</summary>
    PullSnapshot,

    /// <summary>Worker to server: sums of an evaluation.</summary>
    Evaluation,

    /// <summary>Server to worker: what to do after a step.</summary>
    Verdict,

    /// <summary>A frame was not accepted; the payload is the reason as UTF-8.</summary>
    Refused,

    /// <summary>A question whose meaning is up to the two ends.</summary>
    Request,

    /// <summary>The answer to a <see cref="Request"/>.</summary>
    Reply,

    /// <summary>Server to coordinator: one vector of a snapshot.</summary>
    Snapshot,

    /// <summary>Coordinator to server: one vector of the state that a partition begins with.</summary>
    Restore,

    /// <summary>Server to worker, and from there to the other servers: sums of squares of a step's gradient, one partition.</summary>
    Norm,

    /// <summary>Worker to server, and back to whoever goes on from there: what was not sent yet of a shard's gradients, one partition.</summary>
    Residual,

    /// <summary>Worker to server: asks for the residual of a shard.</summary>
    PullResidual,
}
