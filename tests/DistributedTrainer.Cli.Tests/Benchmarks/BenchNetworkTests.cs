using DistributedTrainer.Cli.Benchmarks;

namespace DistributedTrainer.Cli.Tests.Benchmarks;

public sealed class BenchNetworkTests
{
    [Fact]
    public void The_work_and_the_parameters_of_a_perceptron_are_those_counted_by_hand()
    {
        var network = Perceptron("5-3-2");
        // Forward 5·3 + 3·2 = 21, weight gradients as many, input gradient of the second layer alone 6; 2 for each.
        Assert.Equal(96, network.OperationsPerRow);
        Assert.Equal((5 * 3) + 3 + (3 * 2) + 2, network.Parameters);
        Assert.Equal(["linear: 3", "relu", "linear: 2"], network.Layers);
        Assert.Equal(535_818, Perceptron("784-512-256-10").Parameters);
    }

    [Fact]
    public void Batch_normalisation_stands_before_each_activation_and_adds_two_parameters_a_unit()
    {
        var network = Perceptron("5-3-4-2", batchNorm: true);
        Assert.Equal(["linear: 3", "batch-norm", "relu", "linear: 4", "batch-norm", "relu", "linear: 2"], network.Layers);
        Assert.Equal(18 + 6 + 16 + 8 + 10, network.Parameters);
    }

    [Fact]
    public void A_network_without_hidden_layers_needs_no_input_gradient()
    {
        var network = Perceptron("5-2");
        Assert.Equal(["linear: 2"], network.Layers);
        Assert.Equal(40, network.OperationsPerRow);
    }

    [Fact]
    public void The_work_of_the_convolutional_network_is_that_counted_by_hand()
    {
        var network = BenchNetwork.Convolutional();
        Assert.Equal([225_792, 3_612_672, 401_408, 1_280], network.MultiplyAdds);
        Assert.Equal((6 * 4_241_152L) - (2 * 225_792), network.OperationsPerRow);
        Assert.Equal(421_834, network.Parameters);
    }

    [Theory]
    [InlineData("784")]
    [InlineData("784-0-10")]
    [InlineData("784-x-10")]
    [InlineData("")]
    [InlineData("784-64-1")]
    [InlineData("784-64-256")]
    public void Wrong_widths_are_named(string text)
    {
        var problems = new List<string>();
        Assert.Null(BenchNetwork.Perceptron(text, batchNorm: false, problems));
        Assert.Contains("--layers: ", Assert.Single(problems), StringComparison.Ordinal);
    }

    private static BenchNetwork Perceptron(string text, bool batchNorm = false) => BenchNetwork.Perceptron(text, batchNorm, [])!;
}
