using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tests.Layers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>batch-norm.json and sync-batch-norm.json, flat rows and images: 1e-5 relative, 1e-6 absolute.</summary>
public sealed class BatchNormGoldenTests
{
    private const string File = "batch-norm";

    public static TheoryData<int, string, bool> Rows
    {
        get
        {
            var rows = new TheoryData<int, string, bool>();
            foreach (var (index, golden) in GoldenFile.Cases(File).Index())
            {
                rows.Add(index, golden.Key, true);
                rows.Add(index, golden.Key, false);
            }

            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public void Batches_in_a_row_and_the_evaluation_after_them_agree(int index, string key, bool sync)
    {
        var golden = GoldenFile.Cases(File)[index];
        var batches = golden.Parts("batches").ToArray();
        var evaluation = golden.Part("evaluation");
        var x = evaluation.Array("x");
        Assert.Equal(golden.Name switch { "batch-norm" => 1, "batch-norm2d" => 3, _ => throw golden.Unknown("the layer") }, x.Row.Rank);
        var layer = new BatchNormDefinition((float)golden.Parameter("momentum"), (float)golden.Parameter("epsilon"), sync);
        golden.AllRead();
        var run = new LayerRun(x.Row, Math.Max(x.Rows, batches.Max(static batch => batch.Array("x").Rows)), layer);
        LayerGoldenTests.SetWeights(run, golden.Arrays("weights"));
        foreach (var (number, batch) in batches.Index())
        {
            TrainAndCompare(run, batch, [batch.Array("x").Rows], $"batch {number} of {key}");
        }

        AssertBits.Near(evaluation.Array("y").Values, run.Forward(x.Floats, training: false), 1e-5, 1e-6, $"evaluation of {key}");
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
            var run = new LayerRun(x.Row, x.Rows, new BatchNormDefinition((float)golden.Number("momentum"), (float)golden.Number("epsilon")));
            LayerGoldenTests.SetWeights(run, golden.Arrays("weights"));
            TrainAndCompare(run, golden, leafRows, $"sync-batch-norm in parts of {string.Join(',', leafRows)}");
        }
    }

    private static void TrainAndCompare(LayerRun run, GoldenCase batch, int[] leafRows, string what)
    {
        LayerGoldenTests.TrainAndCompare(run, batch, leafRows, what);
        var slot = Assert.Single(run.Model.BatchNorms);
        var pooled = run.Pooled[slot.Index];
        RunningStatistics.Update(slot, run.Buffers, pooled.First, pooled.Second, pooled.Rows);
        AssertBits.Near(batch.Array("runningMean").Values, run.Buffers.Slice(slot.MeanOffset, slot.Channels), 1e-5, 1e-6, $"running mean of {what}");
        AssertBits.Near(batch.Array("runningVar").Values, run.Buffers.Slice(slot.VarianceOffset, slot.Channels), 1e-5, 1e-6, $"running variance of {what}");
    }
}
