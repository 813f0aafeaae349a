using System.Text;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Experiments.Tests;

public sealed class YamlFuzzTests
{
    private const string Whole = """
        name: "größe"
        seed: 42
        data: { source: digits, split: { validation: 0.1, test: 0.2, stratify: true }, preprocess: [ standardize, scale: 0.5 ] }
        model:
          init: { weights: he, bias: zeros }
          layers:
            - &hidden { linear: { outputs: 30, bias: false } }
            - batch-norm: { momentum: 0.1, epsilon: 1.0e-5 }
            - relu
            - *hidden
            - linear: 10
        loss: cross-entropy
        optimizer: { kind: adam, learning-rate: 0.001, schedule: { kind: cosine, steps: 1000 } }
        training: { epochs: 20, batch-size: 128, shards: 4 }
        """;

    [Fact]
    public void Damaged_experiments_are_read_or_their_problems_are_listed()
    {
        var (read, refused) = Fuzz.Run(
            20_260_302, 4000, [Encoding.UTF8.GetBytes(Whole), Encoding.UTF8.GetBytes(Reads.Minimal)], factor: 2000, free: 4 << 20,
            static bytes =>
            {
                var result = ExperimentReader.Read(Encoding.UTF8.GetString(bytes), Reads.FileName, []);
                Assert.True(result.Experiment is null == result.Problems.Count > 0);
                if (result.Experiment is null)
                {
                    throw new RefusedException();
                }
            },
            static problem => problem is RefusedException);
        Assert.InRange(read, 50, 3000);
        Assert.InRange(refused, 1000, 3950);
    }

    private sealed class RefusedException : Exception;
}
