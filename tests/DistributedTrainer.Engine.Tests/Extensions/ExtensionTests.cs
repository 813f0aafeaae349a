using DistributedTrainer.Engine.Extensions;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Tests.Extensions;

public sealed class ExtensionTests
{
    private static readonly Extension Own = ExtensionRegistry.Use(typeof(EngineTestLayer).Assembly);

    [Fact]
    public void A_layer_is_known_by_its_name_with_its_constructors_parameters_as_keys()
    {
        var kind = ExtensionRegistry.FindLayer("engine-test-layer")!;
        Assert.Same(kind, ExtensionRegistry.KindOf(typeof(EngineTestLayer)));
        Assert.Equal((Own, typeof(EngineTestLayer), true), (kind.Extension, kind.Type, kind.IsLayer));
        Assert.Equal(["first-rate False ", "units True 3", "way True up-hill", "name True none"], kind.Parameters.Select(static parameter => $"{parameter.Name} {parameter.IsOptional} {(parameter.IsOptional ? ExtensionParameter.Text(parameter.Default) : "")}"));
        var layer = new EngineTestLayer(0.1f, Way: EngineTestWay.Down);
        Assert.Equal(["0.1", "3", "down", "none"], kind.Parameters.Select(parameter => ExtensionParameter.Text(parameter.Of(layer))));
        Assert.Equal(layer, kind.Create(parameter => parameter.Of(layer)));
        Assert.Null(ExtensionRegistry.FindLoss("engine-test-layer"));
        Assert.Null(ExtensionRegistry.FindLayer("DistributedTrainer.Engine.Layers.LinearDefinition"));
    }

    [Fact]
    public void An_assembly_is_loaded_once_and_without_layers_not_at_all()
    {
        Assert.Same(Own, ExtensionRegistry.Use(typeof(EngineTestLayer).Assembly));
        Assert.Same(Own, ExtensionRegistry.Load(typeof(EngineTestLayer).Assembly.Location));
        Assert.Contains("there are no layers or losses in it", Assert.Throws<ArgumentException>(() => ExtensionRegistry.Use(typeof(object).Assembly)).Message, StringComparison.Ordinal);
        Assert.Contains("there is no such file", Assert.Throws<ArgumentException>(() => ExtensionRegistry.Load("/nowhere/own.dll")).Message, StringComparison.Ordinal);
        var text = Path.Combine(AppContext.BaseDirectory, "text.dll");
        File.WriteAllText(text, "no assembly");
        Assert.Contains("it cannot be loaded", Assert.Throws<ArgumentException>(() => ExtensionRegistry.Load(text)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(typeof(Hidden.Unnamed), "has no name")]
    [InlineData(typeof(Hidden.Linear), "cannot be called 'linear'")]
    [InlineData(typeof(Hidden.Spaced), "cannot be called 'my loss'")]
    [InlineData(typeof(Hidden.WithList), "Values is of type Int32[], which experiments cannot name")]
    [InlineData(typeof(Hidden.Forgetful), "needs a public property for rate")]
    public void What_experiments_could_not_name_is_refused(Type type, string why) =>
        Assert.Contains(why, Assert.Throws<ArgumentException>(() => ExtensionKind.Of([type], Own)).Message, StringComparison.Ordinal);

    private static class Hidden
    {
        public record Unnamed : Same;

        [ExtensionName("linear")]
        public record Linear : Same;

        [ExtensionName("my loss")]
        public class Spaced : Zero;

        [ExtensionName("with-list")]
        public record WithList(int[] Values) : Same;

        [ExtensionName("forgetful")]
        public class Forgetful(float rate) : Zero
        {
            public float Twice => 2 * rate;
        }
    }
}

public enum EngineTestWay
{
    UpHill,
    Down,
}

/// <summary>y = x.</summary>
public abstract record Same : CustomLayer
{
    protected internal override Shape Declare(LayerDeclaration layer, Shape input) => input;

    protected internal override void Forward(in LayerForward pass) => pass.X.CopyTo(pass.Y);

    protected internal override void Backward(in LayerBackward pass) => pass.Dy.CopyTo(pass.Dx);
}

/// <summary>Always 0.</summary>
public abstract class Zero : CustomLoss
{
    public override LossTargets Targets => LossTargets.Values;

    protected override float Row(ReadOnlySpan<float> z, int label, ReadOnlySpan<float> t, Span<float> dz)
    {
        dz.Clear();
        return 0;
    }
}

[ExtensionName("engine-test-layer")]
public sealed record EngineTestLayer(float FirstRate, int Units = 3, EngineTestWay Way = EngineTestWay.UpHill, string Name = "none") : Same;
