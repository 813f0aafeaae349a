namespace DistributedTrainer.Experiments;

/// <summary>One thing that is wrong with an experiment.</summary>
/// <param name="File">The experiment file, or <c>--set</c> where an override is to blame.</param>
/// <param name="Line">Counted from 1; 0: no line.</param>
/// <param name="Key">Dotted path, such as <c>optimizer.learning-rate</c>; empty: the whole file.</param>
/// <param name="Message">The value, what is wrong with it, and the remedy.</param>
public sealed record Problem(string File, int Line, string Key, string Message)
{
    /// <summary>As <c>digits.yaml:12: optimizer.learning-rate: 'abc' is not a number. Write …</c>.</summary>
    public override string ToString() =>
        (Line > 0 ? $"{File}:{Line}: " : $"{File}: ") + (Key.Length > 0 ? $"{Key}: " : "") + Message;
}
