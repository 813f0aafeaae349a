namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>The promise: the bits depend on the experiment, the data and the seed, and on nothing else.</summary>
public sealed class DeterminismTests
{
    // The digits experiment as it is, for fewer steps: one of them is an epoch's smaller last batch.
    private static readonly string[] Short = ["--set", "training.epochs=null", "--set", "training.steps=45"];

    // What one worker and one partition give; every other way must give the same.
    private static readonly Lazy<Task<string>> Reference = new(() => Hash("--set cluster.workers=1 --set cluster.partitions=1"));

    [Theory]
    [InlineData("--set cluster.workers=2")]
    [InlineData("--set cluster.workers=3 --set cluster.partitions=3 --set cluster.servers=2")]
    [InlineData("--set cluster.workers=4")]
    [InlineData("--set cluster.workers=2 --set cluster.transport=tcp --set cluster.overlap=always")]
    [InlineData("--set cluster.workers=2 --set cluster.transport=unix")]
    [InlineData("--set cluster.workers=3 --set cluster.transport=shared-memory")]
    [InlineData("--in-process --set cluster.workers=3 --set cluster.partitions=3")]
    public async Task Workers_partitions_and_processes_change_no_bit(string placement) =>
        Assert.Equal(await Reference.Value, await Hash(placement));

    [Theory]
    [InlineData("DOTNET_EnableAVX512")]
    [InlineData("DOTNET_EnableAVX2")]
    public async Task Vector_widths_change_no_bit(string switchedOff) =>
        Assert.Equal(await Reference.Value, await Hash("--set cluster.workers=2", (switchedOff, "0")));

    [Fact]
    public async Task Another_seed_gives_another_result() =>
        Assert.NotEqual(await Reference.Value, await Hash("--in-process --set seed=43"));

    [Fact]
    public async Task Statistics_per_leaf_change_no_bit_either()
    {
        string[] perLeaf = ["--set", "model.layers.1={batch-norm: {sync: false}}", "--set", "model.layers.5={batch-norm: {sync: false}}"];
        var alone = await Hash("--in-process --set cluster.workers=1 --set cluster.partitions=1", perLeaf);
        Assert.Equal(alone, await Hash("--set cluster.workers=3", perLeaf));
        Assert.NotEqual(await Reference.Value, alone);
    }

    private static Task<string> Hash(string placement, params (string, string)[] environment) => Hash(placement, [], environment);

    private static async Task<string> Hash(string placement, string[] more, params (string, string)[] environment)
    {
        using var directory = new RunDirectory();
        var (code, _, errors) = await Dtrain.Run(["train", "--run-dir", directory.Run, .. Short, .. placement.Split(' '), .. more], environment: environment);
        Assert.True(code == 0, errors);
        Assert.Equal(45, directory.Result.GetProperty("steps").GetInt64());
        return directory.Hash;
    }
}
