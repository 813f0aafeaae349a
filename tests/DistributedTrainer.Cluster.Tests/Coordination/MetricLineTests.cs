using DistributedTrainer.Cluster.Coordination;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class MetricLineTests
{
    private static readonly string[] Whole = [Step(1), Step(2), Evaluation(2), Step(3), Step(4), Evaluation(4), Step(5)];

    [Fact]
    public void All_lines_of_a_whole_file_stay()
    {
        var lines = MetricLine.Read(Whole, null);
        Assert.Equal(Whole, lines.Select(static line => line.Text));
        Assert.Equal([1, 2, 2, 3, 4, 4, 5], lines.Select(static line => line.Step));
        Assert.Equal([0.5, 1.0, null, 1.5, 2.0, null, 2.5], lines.Select(static line => line.Loss));
    }

    [Fact]
    public void Steps_up_to_a_version_stay_and_evaluations_of_versions_before_it()
    {
        Assert.Equal(Whole[..5], Read(4, Whole));
        Assert.Equal(Whole[..4], Read(3, Whole));
        Assert.Equal([Step(1), Step(2)], Read(2, Whole));
        Assert.Equal([], Read(0, Whole));
        Assert.Equal(Whole, Read(100, Whole));
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"step\":6,\"loss\":0.")]
    [InlineData("{\"step\":6,\"lo")]
    [InlineData("{\"loss\":0.5}")]
    [InlineData("{\"step\":\"six\",\"loss\":0.5}")]
    [InlineData("{\"step\":6,\"loss\":\"six\"}")]
    [InlineData("{\"step\":6,\"loss\":null}")]
    [InlineData("{\"step\":6.5,\"loss\":1}")]
    [InlineData("{\"step\":6,\"loss\":[1]}")]
    [InlineData("12")]
    [InlineData("\0\0\0\0")]
    public void A_line_that_was_cut_off_is_left_out_and_what_follows_it(string cut) => Assert.Equal(Whole, Read(null, [.. Whole, cut, Step(6)]));

    [Fact]
    public void What_does_not_follow_on_is_left_out()
    {
        Assert.Equal([Step(1)], Read(null, [Step(1), Step(3), Step(4)]));
        Assert.Equal([Step(1), Step(2)], Read(null, [Step(1), Step(2), Step(2), Step(3)]));
        Assert.Equal([], Read(null, [Step(2)]));
    }

    [Fact]
    public void A_loss_that_is_not_finite_is_a_loss()
    {
        var lines = MetricLine.Read(["""{"step":1,"loss":"NaN"}""", """{"step":2,"loss":"Infinity"}"""], null);
        Assert.Equal([double.NaN, double.PositiveInfinity], lines.Select(static line => line.Loss!.Value));
    }

    private static string Step(int step) => $$"""{"step":{{step}},"loss":{{(step * 0.5).ToString(System.Globalization.CultureInfo.InvariantCulture)}}}""";

    private static string Evaluation(int version) => $$"""{"step":{{version}},"validationLoss":0.5}""";

    private static IEnumerable<string> Read(long? until, string[] lines) => MetricLine.Read(lines, until).Select(static line => line.Text);
}
