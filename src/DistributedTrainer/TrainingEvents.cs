namespace DistributedTrainer;

/// <summary>A run has begun.</summary>
/// <param name="RunDirectory">Its folder.</param>
public sealed record RunStarted(string RunDirectory);

/// <summary>A step was applied. Each is told once, in order; some at a time, a few times a second.</summary>
/// <param name="Step">Its number, from 1.</param>
/// <param name="Steps">Of the whole run.</param>
/// <param name="Epoch">Epochs so far, such as 1.5.</param>
/// <param name="Loss">Mean over the step's rows; NaN where the step was left out, since it was not finite.</param>
/// <param name="LearningRate">Of the step.</param>
/// <param name="RowsPerSecond">Rows trained on, lately.</param>
public sealed record StepCompleted(long Step, long Steps, double Epoch, double Loss, double LearningRate, double RowsPerSecond);

/// <summary>The parameters were evaluated: after each epoch where there are validation rows, and at the end.</summary>
/// <param name="Step">So many steps were applied.</param>
/// <param name="Epoch">Epochs so far.</param>
/// <param name="ValidationLoss">Mean loss of the validation rows; null: there are none.</param>
/// <param name="ValidationAccuracy">Share of right classes, 0..1; null: no validation rows, or no classes.</param>
/// <param name="TestLoss">Mean loss of the test rows, at the end; null otherwise.</param>
/// <param name="TestAccuracy">Share of right classes, 0..1, at the end; null otherwise.</param>
public sealed record EvaluationCompleted(long Step, double Epoch, double? ValidationLoss, double? ValidationAccuracy, double? TestLoss, double? TestAccuracy);

/// <summary>What became of a node of the cluster.</summary>
public enum NodeChange
{
    /// <summary>It came while the run goes on, or came back.</summary>
    Joined,

    /// <summary>It is gone, or cut off from the servers. Others take over its shards; the result stays the same.</summary>
    Lost,
}

/// <summary>A node, or a worker of a node, came or went.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Role">server or worker.</param>
/// <param name="Change">What happened.</param>
public sealed record NodeChanged(string Node, string Role, NodeChange Change);

/// <summary>What a person wants to know of a run: a checkpoint that could not be written, a node with other data, dead units.</summary>
/// <param name="Text">One line.</param>
public sealed record RunNotice(string Text);
