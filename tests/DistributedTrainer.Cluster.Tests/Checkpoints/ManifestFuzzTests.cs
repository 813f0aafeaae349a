using System.Text;
using System.Text.Json;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Cluster.Tests.Checkpoints;

public sealed class ManifestFuzzTests
{
    [Fact]
    public void Damaged_manifests_are_refused()
    {
        var plan = new TestExperiment { Split = "{ validation: 0.1, test: 0.1 }" }.Plan();
        byte[][] samples = [.. new[] { 1L, 3 }.Select(step => Encoding.UTF8.GetBytes(
            (SampleCheckpoint.Of(plan, step).Manifest with { Files = [new CheckpointFile("partition-0.safetensors", 0, 67, new string('a', 64))] }).ToJson()))];
        var (read, refused) = Fuzz.Run(
            20_260_304, 3000, samples, factor: 200, free: 256 << 10,
            static bytes => CheckpointManifest.FromJson(Encoding.UTF8.GetString(bytes)), static problem => problem is JsonException);

        // White space, and a number written otherwise, change nothing that counts.
        Assert.InRange(read, 0, 300);
        Assert.InRange(refused, 2700, 3000);
    }
}
