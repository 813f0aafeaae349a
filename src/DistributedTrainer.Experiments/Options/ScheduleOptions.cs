namespace DistributedTrainer.Experiments;

/// <summary>The learning rate of step s, counted from 0, made from the base rate η.</summary>
public abstract record ScheduleOptions;

/// <summary>η.</summary>
public sealed record ConstantScheduleOptions : ScheduleOptions;

/// <summary>η · factor^⌊s / every⌋.</summary>
/// <param name="Every">Steps between two changes, at least 1.</param>
/// <param name="Factor">0 &lt; factor &lt; 1.</param>
public sealed record StepScheduleOptions(long Every = 1000, double Factor = 0.1) : ScheduleOptions;

/// <summary>η · factor^s.</summary>
/// <param name="Factor">0 &lt; factor &lt; 1.</param>
public sealed record ExponentialScheduleOptions(double Factor = 0.999) : ScheduleOptions;

/// <summary>η / (1 + decay · s).</summary>
/// <param name="Decay">Above 0.</param>
public sealed record InverseTimeScheduleOptions(double Decay = 0.001) : ScheduleOptions;

/// <summary>minimum + (η − minimum) · (1 + cos(π s / steps)) / 2, and the minimum from there on (Loshchilov and Hutter, 2017).</summary>
/// <param name="Steps">Steps until the minimum, at least 1; null: all steps of the run.</param>
/// <param name="Minimum">0 ≤ minimum ≤ η.</param>
public sealed record CosineScheduleOptions(long? Steps = null, double Minimum = 0) : ScheduleOptions;

/// <summary>η · (s + 1) / warmup at first, then as cosine over the steps that are left.</summary>
/// <param name="Warmup">Steps of the rise, at least 1 and below <paramref name="Steps"/>.</param>
/// <param name="Steps">Steps until the minimum, those of the rise included; null: all steps of the run.</param>
/// <param name="Minimum">0 ≤ minimum ≤ η.</param>
public sealed record WarmupCosineScheduleOptions(long Warmup = 100, long? Steps = null, double Minimum = 0) : ScheduleOptions;

/// <summary>from · (to / from)^(s / (steps − 1)): shows which rates the loss bears (Smith, 2017). η is not read.</summary>
/// <param name="From">The rate of the first step, above 0.</param>
/// <param name="To">The rate of the last step, above <paramref name="From"/>.</param>
/// <param name="Steps">Steps until then, at least 2; null: all steps of the run.</param>
public sealed record RangeTestScheduleOptions(double From = 1e-6, double To = 1, long? Steps = null) : ScheduleOptions;

/// <summary>The rate is multiplied by the factor where the validation loss has not fallen for some epochs.</summary>
/// <param name="Factor">0 &lt; factor &lt; 1.</param>
/// <param name="Patience">Epochs without improvement that are borne, at least 0.</param>
/// <param name="Threshold">Relative fall of the loss that counts as improvement, 0 ≤ threshold &lt; 1.</param>
/// <param name="Minimum">0 ≤ minimum ≤ η.</param>
public sealed record ReduceOnPlateauScheduleOptions(double Factor = 0.1, int Patience = 10, double Threshold = 1e-4, double Minimum = 0) : ScheduleOptions;
