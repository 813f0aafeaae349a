using System.Text.Json;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Golden;

namespace DistributedTrainer.Engine.Tests.Layers;

/// <summary>Batch normalisation of flat rows and of images against values of PyTorch: training batches in a row, then an evaluation.</summary>
public sealed class GoldenBatchNormTests
{
    public static TheoryData<int, string> Cases => GoldenFile.Names("batch-norm");

    [Theory]
    [MemberData(nameof(Cases))]
    public void Batch_norm_has_the_reference_values(int index, string name)
    {
        var reference = GoldenFile.Cases("batch-norm")[index];
        var parameters = new LayerParameters(reference.GetProperty("parameters"));
        var batches = reference.GetProperty("batches").EnumerateArray().ToArray();
        var evaluation = reference.GetProperty("evaluation");
        var input = new Shape(evaluation.GetProperty("x").Shape()[1..]);
        Assert.Equal(name switch { "batch-norm" => 1, "batch-norm2d" => 3, _ => -1 }, input.Rank);
        var rows = batches.Append(evaluation).Max(static batch => batch.GetProperty("x").Shape()[0]);
        foreach (var sync in (bool[])[true, false])
        {
            var layer = new BatchNormDefinition((float)parameters.Real("momentum", 0.1), (float)parameters.Real("epsilon", 1e-5), sync);
            parameters.AllRead();
            var run = new LayerRun(input, rows, layer);
            GoldenLayersTests.Load(run, reference.GetProperty("weights"));
            foreach (var (number, batch) in batches.Index())
            {
                Train(run, batch, $"{name} (sync {sync}) batch {number}");
            }

            GoldenFile.Near(evaluation.GetProperty("y").Doubles(), run.Forward(evaluation.GetProperty("x").Floats(), training: false), $"{name} evaluation");
        }
    }

    private static void Train(LayerRun run, JsonElement batch, string what)
    {
        var slot = run.Model.BatchNorms[0];
        GoldenFile.Near(batch.GetProperty("y").Doubles(), run.Forward(batch.GetProperty("x").Floats()), $"{what} y");
        GoldenFile.Near(batch.GetProperty("dx").Doubles(), run.Backward(batch.GetProperty("dy").Floats()), $"{what} dx");
        GoldenLayersTests.CompareGradients(run, batch.GetProperty("gradients"), what);
        RunningStatistics.Update(slot, run.Buffers, run.Pooled[0].First, run.Pooled[0].Second, run.Pooled[0].Rows);
        GoldenFile.Near(batch.GetProperty("runningMean").Doubles(), run.Buffers.Slice(slot.MeanOffset, slot.Channels), $"{what} running mean");
        GoldenFile.Near(batch.GetProperty("runningVar").Doubles(), run.Buffers.Slice(slot.VarianceOffset, slot.Channels), $"{what} running variance");
    }
}
