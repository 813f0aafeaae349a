using CsCheck;

namespace DistributedTrainer;

/// <summary>
/// Properties on cases that are the same in every run. CsCheck's own Sample takes a seed for the first case only; all others
/// are drawn from the clock, on as many threads as there are cores.
/// </summary>
internal static class SeededSamples
{
    public static void SampleSeeded<T>(this Gen<T> cases, Action<T> assert, string seed, int iter)
    {
        var random = PCG.Parse(seed);
        for (var number = 0; number < iter; number++)
        {
            var (here, drawn) = (random.ToString(), cases.Generate(random, null, out _));
            try
            {
                assert(drawn);
            }
            catch (Exception)
            {
                // Looks for a smaller case that fails, and throws with it.
                cases.Sample(assert, seed: here, iter: 10_000, threads: 1);
                throw;
            }
        }
    }

    public static void SampleSeeded<T>(this Gen<T> cases, Func<T, bool> holds, string seed, int iter) =>
        cases.SampleSeeded(drawn => Assert.True(holds(drawn), $"Does not hold for {drawn}."), seed, iter);

    public static void SampleSeeded<T1, T2>(this Gen<(T1, T2)> cases, Action<T1, T2> assert, string seed, int iter) =>
        cases.SampleSeeded(drawn => assert(drawn.Item1, drawn.Item2), seed, iter);

    public static void SampleSeeded<T1, T2, T3>(this Gen<(T1, T2, T3)> cases, Action<T1, T2, T3> assert, string seed, int iter) =>
        cases.SampleSeeded(drawn => assert(drawn.Item1, drawn.Item2, drawn.Item3), seed, iter);

    public static void SampleSeeded<T1, T2, T3, T4>(this Gen<(T1, T2, T3, T4)> cases, Action<T1, T2, T3, T4> assert, string seed, int iter) =>
        cases.SampleSeeded(drawn => assert(drawn.Item1, drawn.Item2, drawn.Item3, drawn.Item4), seed, iter);
}
