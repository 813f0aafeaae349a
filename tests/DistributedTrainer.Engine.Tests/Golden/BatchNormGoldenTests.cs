using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>batch-norm.json and sync-batch-norm.json: 1e-5 relative, 1e-6 absolute.</summary>
public sealed class BatchNormGoldenTests
{
    private const string File = "batch-norm";

    // Name → the layer, or null while a parameter of the case is not known.
    private static readonly Dictionary<string, Func<GoldenCase, LayerDefinition?>> Table = new()
    {
        ["batch-norm"] = static golden => new BatchNormDefinition((float)golden.Parameter("momentum"), (float)golden.Parameter("epsilon")),
    };

    public static TheoryData<int, string> Rows => GoldenFile.Rows(File, Knows);

    internal static bool Knows(GoldenCase golden) => Build(golden) is not null;

    [Theory]
    [MemberData(nameof(Rows))]
    public void Batches_in_a_row_and_the_evaluation_after_them_agree(int index, string key)
    {
        var golden = GoldenFile.Cases(File)[index];
        var batches = golden.Parts("batches").ToArray();
        var evaluation = golden.Part("evaluation");
        var x = evaluation.Array("x");
        var layer = new LayerProbe(Build(golden)!, x.Row, Math.Max(x.Rows, batches.Max(static batch => batch.Array("x").Rows)));
        layer.SetWeights(golden.Arrays("weights"));
        foreach (var batch in batches)
        {
            TrainAndCompare(layer, batch, [batch.Array("x").Rows], key);
        }

        AssertBits.Near(evaluation.Array("y").Values, layer.Evaluate(x.Floats, x.Rows), 1e-5, 1e-6, $"evaluation of {key}");
    }

    [Fact]
    public void The_parts_of_a_batch_give_the_values_of_the_whole()
    {
        var golden = GoldenFile.Whole("sync-batch-norm");
        var x = golden.Array("x");
        var parts = golden.Array("parts").Integers;
        Assert.Equal(x.Rows, parts.Sum());
        foreach (var leafRows in new[] { parts, [.. parts.Reverse()], [x.Rows], [.. Enumerable.Repeat(1, x.Rows)] })
        {
            var layer = new LayerProbe(new BatchNormDefinition((float)golden.Number("momentum"), (float)golden.Number("epsilon")), x.Row, x.Rows);
            layer.SetWeights(golden.Arrays("weights"));
            TrainAndCompare(layer, golden, leafRows, $"sync-batch-norm in parts of {string.Join(',', leafRows)}");
        }
    }

    private static void TrainAndCompare(LayerProbe layer, GoldenCase batch, int[] leafRows, string key)
    {
        var exchange = new LocalExchange(leafRows.Length);
        var (y, dx, gradients) = layer.Train(batch.Array("x").Floats, batch.Array("dy").Floats, leafRows, exchange);
        AssertBits.Near(batch.Array("y").Values, y, 1e-5, 1e-6, $"y of {key}");
        AssertBits.Near(batch.Array("dx").Values, dx, 1e-5, 1e-6, $"dx of {key}");
        foreach (var (name, expected) in batch.Arrays("gradients"))
        {
            AssertBits.Near(expected.Values, gradients[name], 1e-5, 1e-6, $"gradient of {name} of {key}");
        }

        var slot = Assert.Single(layer.BatchNorms);
        var pooled = exchange.Pooled[slot.Index];
        RunningStatistics.Update(slot, layer.Buffers, pooled.First, pooled.Second, pooled.Rows);
        AssertBits.Near(batch.Array("runningMean").Values, layer.Buffers.Slice(slot.MeanOffset, slot.Channels), 1e-5, 1e-6, $"running mean of {key}");
        AssertBits.Near(batch.Array("runningVar").Values, layer.Buffers.Slice(slot.VarianceOffset, slot.Channels), 1e-5, 1e-6, $"running variance of {key}");
    }

    private static LayerDefinition? Build(GoldenCase golden) => Table.GetValueOrDefault(golden.Name)?.Invoke(golden);
}
