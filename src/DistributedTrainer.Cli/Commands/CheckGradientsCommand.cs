using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Diagnostics;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain check-gradients</c>: analytic against numeric gradients, layer by layer.</summary>
internal static class CheckGradientsCommand
{
    public static Command Create()
    {
        var experiment = new Argument<string?>("EXPERIMENT") { Description = "The experiment file. Without one: the embedded digits experiment.", Arity = ArgumentArity.ZeroOrOne };
        var rows = new Option<int>("--rows") { Description = "Training rows to compute with, in one batch.", DefaultValueFactory = static _ => 8 };
        var shared = new ExperimentArguments();
        var command = new Command(
            "check-gradients", "Compares the gradients of an experiment's model with differences of its loss; exit code 1 where they disagree. Example: dtrain check-gradients digits.yaml --rows 8")
        {
            experiment, rows, shared.Set, shared.Json,
        };
        command.SetAction(parsed =>
        {
            if (ExperimentText.Read(parsed.GetValue(experiment)) is not { } text)
            {
                return ExitCodes.UsageWrong;
            }

            var (overrides, problems) = (parsed.GetValue(shared.Set)!, new List<string>());
            if (parsed.GetValue(rows) < 1)
            {
                problems.Add($"--rows is {parsed.GetValue(rows)}, it must be at least 1.");
            }

            var read = ExperimentReader.Read(text.Yaml, text.FileName, overrides);
            problems.AddRange(read.Problems.Select(static problem => problem.ToString()));
            GradientCheckResult? result = null;
            if (problems.Count == 0)
            {
                var data = read.Experiment!.Data;
                var one = read.Experiment with { Data = data with { Fold = data.Folds is null ? null : data.Fold ?? 1 } };
                result = ExperimentGradients.Check(one, text.BaseDirectory, parsed.GetValue(rows), problems);
            }

            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            return Report(read.Experiment!, result!, parsed.GetValue(shared.Json));
        });
        return command;
    }

    private static int Report(Experiment experiment, GradientCheckResult result, bool json)
    {
        var parameters = result.Parameters.Select(check => new
        {
            Layer = LayerOf(experiment, check.Name),
            Parameter = check.Name,
            Shape = check.Shape.ToString(),
            check.Checked,
            check.Skipped,
            check.LargestError,
            check.Element,
            check.Analytic,
            check.Numeric,
            check.Passed,
        }).ToArray();
        if (json)
        {
            Console.Out.WriteLine(JsonText.Of(new { result.Passed, Parameters = parameters }));
        }
        else
        {
            Tables.Print(
                ["layer", "parameter", "shape", "largest error", "at element", "analytic", "numeric", "compared", ""],
                [.. parameters.Select(static check => (string[])
                [
                    check.Layer, check.Parameter, check.Shape, Text(check.LargestError, "E1"), check.Element.ToString(CultureInfo.InvariantCulture),
                    Text(check.Analytic, "G4"), Text(check.Numeric, "G4"), Compared(check.Checked, check.Skipped), check.Passed ? "ok" : check.Checked == 0 ? "nothing to compare" : "WRONG",
                ])]);
        }

        if (result.Passed)
        {
            return ExitCodes.Done;
        }

        var wrong = string.Join(", ", result.Parameters.Where(static check => !check.Passed).Select(static check => check.Name));
        Console.Error.WriteLine($"Analytic and numeric gradients disagree, or could not be compared, in {wrong}.");
        return ExitCodes.TrainingFailed;
    }

    /// <summary>The number and kind of the outermost layer that a parameter belongs to.</summary>
    private static string LayerOf(Experiment experiment, string parameter)
    {
        var place = int.Parse(parameter[..parameter.IndexOf('.', StringComparison.Ordinal)], CultureInfo.InvariantCulture);
        return $"{place} {ExperimentNames.Of(experiment.Model.Layers[place])}";
    }

    private static string Compared(int compared, int skipped) => skipped == 0 ? $"{compared}" : $"{compared}, {skipped} at a kink";

    private static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
