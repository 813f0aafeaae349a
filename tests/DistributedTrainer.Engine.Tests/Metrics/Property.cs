using CsCheck;

namespace DistributedTrainer.Engine.Tests.Metrics;

/// <summary>Properties over generated cases, the same cases in every run.</summary>
internal static class Property
{
    public static void For<T>(Gen<T> cases, Action<T> check, int count = 200)
    {
        for (var i = 0u; i < count; i++)
        {
            var value = cases.Generate(new PCG(1, 20260101 + i), null, out _);
            try
            {
                check(value);
            }
            catch (Exception problem)
            {
                throw new InvalidOperationException($"Case {i}: {value}: {problem.Message}", problem);
            }
        }
    }
}
