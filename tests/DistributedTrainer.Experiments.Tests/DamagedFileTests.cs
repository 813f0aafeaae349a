using CsCheck;

namespace DistributedTrainer.Experiments.Tests;

/// <summary>Whatever happens to a file, reading it ends with an experiment or with problems, never with an exception.</summary>
public sealed class DamagedFileTests
{
    private static readonly Gen<(double At, int Length, string Text)[]> Damage = Gen.Select(
        Gen.Double[0, 1],
        Gen.Int[0, 12],
        Gen.Int[0, Pieces.Length - 1].Select(static piece => Pieces[piece])).Array[1, 4];

    private static string[] Pieces =>
        ["", " ", "\n", "\t", ":", ": ", "- ", "[", "]", "{", "}", ",", "'", "\"", "#", "&a ", "*a", "!x ", "|", ">", "?", "%", "@", "\0", "\\", "---\n", "...", "null", "1e999", "\uD800", "<<: "];

    [Fact]
    public void A_damaged_file_is_read_or_refused()
    {
        var refused = 0;
        for (var seed = 0u; seed < 2000; seed++)
        {
            var text = ExperimentWriter.Write(RandomExperiments.Number(seed % 50));
            foreach (var (at, length, piece) in Damage.Generate(new PCG(seed, 2), null, out _))
            {
                var start = (int)(at * (text.Length - 1));
                text = text.Remove(start, Math.Min(length, text.Length - start)).Insert(start, piece);
            }

            var result = ExperimentReader.Read(text, Reads.FileName, []);

            Assert.True(result.Experiment is null == result.Problems.Count > 0, text);
            Assert.All(result.Problems, static problem => Assert.Matches(@"[.?]$", problem.Message));
            refused += result.Experiment is null ? 1 : 0;
        }

        Assert.InRange(refused, 1000, 1999);
    }

    [Fact]
    public void A_damaged_override_is_read_or_refused()
    {
        string[] paths = ["seed", "data", "data.split", "data.preprocess.0", "model.layers", "model.layers.0", "model.layers.0.linear.bias", "optimizer.schedule.kind", "a.b.c", "model.layers.99", ".", ""];
        foreach (var path in paths)
        {
            foreach (var piece in Pieces)
            {
                var result = ExperimentReader.Read(Reads.Minimal, Reads.FileName, [$"{path}={piece}", piece]);

                Assert.True(result.Experiment is null == result.Problems.Count > 0, $"{path}={piece}");
                Assert.Contains(result.Problems, static problem => problem.File == "--set");
            }
        }
    }
}
