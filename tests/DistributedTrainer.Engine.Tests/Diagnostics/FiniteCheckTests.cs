using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Diagnostics;

/// <summary>What is wrong with a leaf is found where it begins, and nothing is found where nothing is wrong.</summary>
public sealed class FiniteCheckTests
{
    // Wide, so that the weights of layer 0 are bounded by what they are made of; those of layer 3 are read.
    private const int Wide = 200;

    private static readonly LeafSegment[] Segments = Leaves.Of(2, 3);

    private readonly Model _model = new(new ModelDefinition(
        new Shape(Wide), [new LinearDefinition(Wide), new ActivationDefinition(Activation.Relu), new BatchNormDefinition(Sync: false), new LinearDefinition(2)], new InitialWeights(InitialWeightsKind.He)));

    private readonly Workspace _workspace;
    private readonly AlignedBuffer[] _gradients;
    private readonly LeafSums[] _sums = new LeafSums[2];

    public FiniteCheckTests()
    {
        _workspace = _model.CreateWorkspace(new MeanSquaredErrorLoss(), 8);
        _gradients = [new AlignedBuffer(_model.Layout.Length), new AlignedBuffer(_model.Layout.Length)];
        _model.Initialize(_workspace.Parameters, _workspace.Buffers, 1);
        Numbers.Normal(5 * Wide, 1).CopyTo(_workspace.Input(5));
    }

    [Fact]
    public void Ordinary_numbers_pass()
    {
        Train();
        Assert.Equal(["", ""], Findings());
    }

    [Fact]
    public void A_check_allocates_nothing()
    {
        Train();
        var check = new FiniteCheck(_model, _workspace, 8);
        var passed = true;
        Assert.Equal(0, Allocation.Warm(() => passed &= check.Passes(0, _sums[0], _gradients[0])));
        Assert.True(passed);
    }

    [Theory]
    [InlineData(float.NaN, "the input is NaN")]
    [InlineData(float.NegativeInfinity, "the input is infinite")]
    public void An_input_that_is_not_finite_is_the_cause_in_its_leaf_alone(float wrong, string expected)
    {
        _workspace.Input(5)[(3 * Wide) + 7] = wrong;
        Train();
        Assert.Equal(["", expected], Findings());
    }

    [Fact]
    public void What_is_known_of_input_rows_is_forgotten_when_they_are_written_anew()
    {
        _workspace.LookAtInput(5);
        Train();
        Assert.Equal(["", ""], Findings());
        _workspace.Input(5)[(3 * Wide) + 7] = float.NaN;
        Train();
        Assert.Equal(["", "the input is NaN"], Findings());
        _workspace.LookAtInput(5);
        Assert.Equal(["", "the input is NaN"], Findings());
    }

    [Fact]
    public void A_parameter_is_named_before_what_follows_from_it()
    {
        _workspace.Parameters[_model.Layout.Slots.Single(static slot => slot.Name == "3.weight").Offset] = float.NaN;
        Train();
        Assert.Equal(["the parameter 3.weight is NaN", "the parameter 3.weight is NaN"], Findings());
    }

    [Fact]
    public void Parameters_that_are_to_be_summed_are_judged_as_gradients_are()
    {
        // Of up to eight leaves each may be below 2^125.
        var check = new FiniteCheck(_model, _workspace, 8);
        Assert.Null(check.FindInParameters());
        var slot = _model.Layout.Slots.Single(static slot => slot.Name == "3.weight");
        _workspace.Parameters[slot.Offset + 1] = MathF.ScaleB(0.99f, 125);
        Assert.Null(check.FindInParameters());
        _workspace.Parameters[slot.Offset + 1] = -MathF.ScaleB(1, 125);
        Assert.Equal("the parameter 3.weight is as large as 4.25E+37", check.FindInParameters()?.Where);
        _workspace.Parameters[slot.Offset + 1] = float.NaN;
        Assert.Equal("the parameter 3.weight is NaN", check.FindInParameters()?.Where);
        Assert.False(check.FindInParameters()!.InParameters);
    }

    [Fact]
    public void Outputs_that_overflow_are_named_by_their_layers()
    {
        _workspace.Input(5)[..Wide].Fill(3e38f);
        Train();
        Assert.StartsWith("the output of layers 0 to 1 is ", Findings()[0], StringComparison.Ordinal);
        Assert.Empty(Findings()[1]);
    }

    [Theory]
    [InlineData(1e17f, "")]
    [InlineData(1e25f, "the input of batch-norm is too large for 2.running_mean")]
    public void What_is_too_large_for_running_statistics_does_not_pass_although_all_is_finite(float scale, string expected)
    {
        // Batch norm makes ordinary numbers of it, so that neither loss nor gradient shows it.
        ElementWise.Scale(_workspace.Input(5)[..Wide], _workspace.Input(5)[..Wide], scale);
        Train();
        Assert.Equal([expected, ""], Findings());
        Assert.All(_gradients, static gradient => Assert.True(FiniteCheck.IsFinite(gradient.Span)));
    }

    [Fact]
    public void A_loss_that_overflows_is_named()
    {
        _workspace.Targets(5)[0] = 3e38f;
        Train();
        Assert.Equal(["the loss is infinite", ""], Findings());
    }

    [Theory]
    [InlineData("0.weight", float.NaN)]
    [InlineData("2.bias", float.PositiveInfinity)]
    [InlineData("3.weight", float.NegativeInfinity)]
    public void A_gradient_is_named_by_its_parameter_and_not_read_where_it_is_bounded(string name, float wrong)
    {
        // What is written here after the pass only shows which gradients are read.
        Train();
        var slot = _model.Layout.Slots.Single(slot => slot.Name == name);
        slot.In(_gradients[1])[^1] = wrong;
        var check = new FiniteCheck(_model, _workspace, 2);
        Assert.Equal(name == "0.weight", check.Passes(1, _sums[1], _gradients[1]));
        Assert.Equal($"the gradient of {name} is {(float.IsNaN(wrong) ? "NaN" : "infinite")}", check.Find(1, _sums[1], _gradients[1]).Where);
    }

    [Fact]
    public void A_gradient_that_overflows_in_a_product_of_finite_numbers_is_found()
    {
        // x · dz with x finite and dz finite: the bound fails, and the product itself is looked at.
        var model = new Model(new ModelDefinition(new Shape(Wide), [new LinearDefinition(Wide)], new InitialWeights(InitialWeightsKind.He)));
        var workspace = model.CreateWorkspace(new MeanSquaredErrorLoss(), 8);
        var gradient = new AlignedBuffer(model.Layout.Length);
        workspace.Parameters.Clear();
        workspace.Input(1).Fill(1e30f);
        workspace.Targets(1).Fill(-1e15f);
        var (segments, sums) = (Leaves.Of(1), new LeafSums[1]);
        workspace.Train(0, 1, segments, [gradient], sums, new LocalExchange(1));
        var check = new FiniteCheck(model, workspace, 1);
        Assert.False(check.Passes(0, sums[0], gradient));
        Assert.Equal("the gradient of 0.weight is infinite", check.Find(0, sums[0], gradient).Where);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, false)]
    public void What_cannot_be_summed_over_all_leaves_does_not_pass(int leaves, bool passes)
    {
        // The sum of two such numbers is just finite, that of three is not.
        Train();
        var slot = _model.Layout.Slots.Single(static slot => slot.Name == "3.weight");
        slot.In(_gradients[0])[5] = MathF.BitDecrement(MathF.ScaleB(1, 127));
        Assert.Equal(passes, new FiniteCheck(_model, _workspace, leaves).Passes(0, _sums[0], _gradients[0]));
    }

    private void Train() => _workspace.Train(0, 1, Segments, _gradients, _sums, new LocalExchange(2));

    private string[] Findings()
    {
        var check = new FiniteCheck(_model, _workspace, 2);
        return [.. Segments.Select((_, i) => check.Passes(i, _sums[i], _gradients[i]) ? "" : check.Find(i, _sums[i], _gradients[i]).Where)];
    }
}
