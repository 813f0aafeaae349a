namespace DistributedTrainer.Experiments.Tests;

/// <summary>What the design names and the trainer does not do yet is refused, never ignored.</summary>
public sealed class NotBuiltTests
{
    [Theory]
    [InlineData("training: { local-steps: 4 }", "training.local-steps: local-steps")]
    public void Keys_and_values_that_are_not_built_are_refused(string line, string expected)
    {
        var problem = Reads.Problem(line);

        Assert.StartsWith($"test.yaml:5: {expected}", problem);
        Assert.Contains(" not built yet. ", problem);
    }

    [Fact]
    public void Values_that_ask_for_nothing_are_accepted()
    {
        var read = Reads.Good("""
            data: { source: digits, augment: [], folds: null, validation-source: null, test-source: ~, image: null }
            model: { from: null, layers: [ linear: 10 ] }
            optimizer: { l1: 0.0, clip-norm: null, clip-value: null, schedule: constant }
            training: { mode: sync, accumulate: 1, local-steps: 1, staleness: 0, compression: none, early-stopping: null }
            cluster: { transport: auto }
            checkpoint: {}
            """);

        Assert.Equal(Reads.Good(Reads.Minimal), read);
        Assert.Equal(read, Reads.Good(Reads.Minimal + "optimizer: { schedule: { kind: constant } }"));
    }
}
