using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain bench optimizer</c>: a step of each optimizer beside a copy of the same bytes.</summary>
internal static class BenchOptimizerCommand
{
    private const int MostParameters = 100_000_000;

    public static Command Create()
    {
        var parameters = new Option<int>("--parameters") { Description = "Parameters that are updated.", DefaultValueFactory = static _ => 1_000_000 };
        var kind = new Option<string>("--optimizer") { Description = "One of them, or all.", DefaultValueFactory = static _ => "all" };
        var repeat = new Option<int>("--repeat") { Description = "Timed windows of each; the best counts.", DefaultValueFactory = static _ => 5 };
        var json = new Option<bool>("--json") { Description = "Prints the result as JSON, and nothing else, on standard output." };
        var command = new Command(
            "optimizer", "Measures a step of each optimizer on one core, beside a copy of as many bytes. Example: dtrain bench optimizer --parameters 535818")
        {
            parameters, kind, repeat, json,
        };
        command.SetAction(parsed =>
        {
            var problems = new List<string>();
            var name = parsed.GetValue(kind)!;
            var chosen = OptimizerBenchmark.All.Where(one => name == "all" || name == one.Name).ToArray();
            if (chosen.Length == 0)
            {
                problems.Add($"--optimizer: '{name}' is none of all, {string.Join(", ", OptimizerBenchmark.All.Select(static one => one.Name))}.");
            }

            BenchOptions.AtLeastOne("--parameters", parsed.GetValue(parameters), MostParameters, problems);
            BenchOptions.AtLeastOne("--repeat", parsed.GetValue(repeat), int.MaxValue, problems);
            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            var rates = chosen.Select(one => OptimizerBenchmark.Measure(one.Name, one.Make(), parsed.GetValue(parameters), parsed.GetValue(repeat))).ToArray();
            if (parsed.GetValue(json))
            {
                Console.Out.WriteLine(JsonText.Of(rates));
            }
            else
            {
                Tables.Print(
                    ["optimizer", "microseconds", "copy of the bytes", "ratio"],
                    [.. rates.Select(static rate => (string[])[rate.Optimizer, Text(rate.Microseconds), Text(rate.CopyMicroseconds), Text(rate.Ratio)])]);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static string Text(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);
}
