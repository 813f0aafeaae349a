using DistributedTrainer.Cli.Benchmarks;

namespace DistributedTrainer.Cli.Tests.Benchmarks;

public sealed class BenchDataTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("dtrain-test-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void About_half_of_the_values_are_zero_and_every_class_occurs()
    {
        var (images, labels) = Write("a", rows: 500, [28, 28], classes: 10);
        Assert.Equal([0, 0, 8, 3, 0, 0, 1, 0xF4, 0, 0, 0, 28, 0, 0, 0, 28], images[..16]);
        Assert.Equal([0, 0, 8, 1, 0, 0, 1, 0xF4], labels[..8]);
        Assert.Equal(16 + (500 * 784), images.Length);
        Assert.Equal(8 + 500, labels.Length);
        Assert.InRange(images[16..].Count(static value => value == 0) / (500.0 * 784), 0.45, 0.55);
        Assert.Equal(Enumerable.Range(0, 10), labels[8..].Distinct().Order().Select(static label => (int)label));
    }

    [Fact]
    public void The_same_rows_are_written_every_time()
    {
        var (first, second) = (Write("a", 20, [5], 3), Write("b", 20, [5], 3));
        Assert.Equal(first.Images, second.Images);
        Assert.Equal(first.Labels, second.Labels);
    }

    private (byte[] Images, byte[] Labels) Write(string name, int rows, int[] sizes, int classes)
    {
        var folder = _folder.CreateSubdirectory(name).FullName;
        BenchData.Write(folder, rows, sizes, classes);
        return (File.ReadAllBytes(Path.Combine(folder, $"train-images-idx{sizes.Length + 1}-ubyte")), File.ReadAllBytes(Path.Combine(folder, "train-labels-idx1-ubyte")));
    }
}
