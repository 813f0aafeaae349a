using DistributedTrainer.Engine.Optimizers;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The speed of an optimizer's step on one core.</summary>
/// <param name="Optimizer">Which.</param>
/// <param name="Parameters">How many.</param>
/// <param name="Microseconds">Of a step.</param>
/// <param name="CopyMicroseconds">Of a plain copy that moves as many bytes to and from memory.</param>
/// <param name="Ratio">Of the two.</param>
internal sealed record OptimizerRate(string Optimizer, int Parameters, double Microseconds, double CopyMicroseconds, double Ratio);

/// <summary>
/// Measures optimizers against memory: a step reads weights, gradients and state, and writes state and weights, and can be
/// no faster than a copy of the same bytes. Both are measured in turn, the best of several windows.
/// </summary>
internal static class OptimizerBenchmark
{
    public static IReadOnlyList<(string Name, Func<Optimizer> Make)> All { get; } =
    [
        ("sgd", static () => new Sgd()), ("momentum", static () => new Momentum(0.9f)), ("nesterov", static () => new Nesterov(0.9f)),
        ("adagrad", static () => new AdaGrad()), ("rmsprop", static () => new RmsProp()), ("adam", static () => new Adam()), ("adamw", static () => new AdamW()),
    ];

    public static OptimizerRate Measure(string name, Optimizer optimizer, int parameters, int windows)
    {
        var vectors = Enumerable.Range(0, 3 + optimizer.StateVectors).Select(_ => GC.AllocateArray<float>(parameters, pinned: true)).ToArray();
        for (var i = 0; i < parameters; i++)
        {
            vectors[0][i] = 1f / (1 + i);
            vectors[1][i] = (i % 7) - 3;
        }

        var state0 = vectors.Length > 3 ? vectors[3] : [];
        var state1 = vectors.Length > 4 ? vectors[4] : [];
        var step = 0L;

        // Weights and gradient are read, new weights written, each state vector both; a copy reads half and writes half.
        var moved = sizeof(float) * (long)parameters * (3 + (2 * optimizer.StateVectors));
        var (updating, copying) = (double.MaxValue, double.MaxValue);
        for (var window = 0; window < windows; window++)
        {
            updating = Math.Min(updating, TimedWindows.Seconds(1, count =>
            {
                for (var i = 0L; i < count; i++)
                {
                    optimizer.Update(new OptimizerStep(step++, 0.001f, 128), vectors[0], vectors[1], state0, state1, vectors[2]);
                }
            }));
            copying = Math.Min(copying, BareMemory.CopySeconds(checked((int)(moved / 2)), 1));
        }

        return new OptimizerRate(name, parameters, Rounded.To(updating * 1e6, 4), Rounded.To(copying * 1e6, 4), Rounded.To(updating / copying, 3));
    }
}
