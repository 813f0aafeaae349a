using System.Text.Json;
using DistributedTrainer.Dashboard.Reviews;
using DistributedTrainer.EndToEnd.Tests;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>The verbs, and what is computed of a run that was really trained, within this process.</summary>
public sealed class VerbTests
{
    [Fact]
    public async Task A_trained_run_has_a_report_and_is_reviewed_by_its_result_or_its_checkpoint()
    {
        using var directory = new RunDirectory();
        var (code, said, wrong) = await Dtrain.RunWithin(["train", "--in-process", "--plain", "--run-dir", directory.Run, "--set", "training.epochs=2"]);
        Assert.True(code == 0, said + wrong);
        Assert.Contains($"Report: {Path.Combine(directory.Run, "report.html")}", said, StringComparison.Ordinal);
        Assert.Contains("\"confusion\":[[", await File.ReadAllTextAsync(Path.Combine(directory.Run, "report.html")), StringComparison.Ordinal);

        var problems = new List<string>();
        var review = ModelReview.Evaluate(directory.Run, quickOnly: false, problems)!;
        Assert.Empty(problems);
        var metrics = directory.Result.GetProperty("metrics");
        Assert.Equal(metrics.GetProperty("validationAccuracy").GetDouble(), review.Accuracy!.Value, 12);
        Assert.Equal(metrics.GetProperty("validationLoss").GetDouble(), review.Loss, 6);
        Assert.Equal((180L, "validation rows of digits", "model.safetensors"), (review.Confusion.Sum(static row => row.Sum()), review.Source, review.Model));
        Assert.Equal(review.Rows - review.Confusion.Select(static (row, label) => row[label]).Sum(), review.WrongRows);
        Assert.Equal([1, 8, 8], review.Image!);
        Assert.All(review.Wrong, static row => Assert.Equal(64, Convert.FromBase64String(row.Pixels!).Length));
        Assert.Equal(51_594, ModelReview.Layers(directory.Run, problems)!.Parameters);

        // As while it goes on: there is no result yet.
        File.Delete(Path.Combine(directory.Run, "model.safetensors"));
        var ofCheckpoint = ModelReview.Evaluate(directory.Run, quickOnly: false, problems)!;
        Assert.StartsWith("the checkpoint of step ", ofCheckpoint.Model, StringComparison.Ordinal);
        Assert.Equal(JsonSerializer.Serialize(review with { Model = "" }), JsonSerializer.Serialize(ofCheckpoint with { Model = "" }));
        Assert.Equal(51_594, ModelReview.Layers(directory.Run, problems)!.Parameters);
        Assert.Empty(problems);

        (code, said, wrong) = await Dtrain.RunWithin(["report", directory.Run]);
        Assert.True(code == 0, said + wrong);
        Assert.All((string[])["loss.png", "accuracy.png", "rows-per-second.png"], name => Assert.True(new FileInfo(Path.Combine(directory.Run, name)).Length > 5_000, name));
    }

    [Theory]
    [InlineData("there is no such folder. Name the folder of a run", "dashboard", "/none/of/these")]
    [InlineData("--port: 70000 is no port", "dashboard", ".", "--port", "70000")]
    [InlineData("is no address or name of this machine", "dashboard", ".", "--host", "no.such.name.invalid", "--port", "0")]
    [InlineData("there is no run in it", "report", "/none/of/these")]
    public async Task A_mistake_is_named(string problem, params string[] arguments)
    {
        var (code, _, errors) = await Dtrain.Run(arguments);
        Assert.Equal(2, code);
        Assert.Contains(problem, errors, StringComparison.Ordinal);
    }
}
