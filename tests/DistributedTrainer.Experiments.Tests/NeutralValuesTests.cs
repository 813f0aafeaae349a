namespace DistributedTrainer.Experiments.Tests;

/// <summary>What asks for nothing.</summary>
public sealed class NeutralValuesTests
{
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
