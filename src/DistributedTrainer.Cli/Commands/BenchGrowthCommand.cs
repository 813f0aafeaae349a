using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain bench growth</c>: from measurements of small runs to what large ones would cost.</summary>
internal static class BenchGrowthCommand
{
    private static readonly int[] Counts = [1, 2, 4, 8, 16, 32, 64, 128, 256];

    public static Command Create()
    {
        var file = new Argument<string>("measurements") { Description = "What benchmarks/growth.sh wrote, as CSV.", HelpName = "FILE.csv" };
        var picture = new Option<string?>("--plot") { Description = "Draws measurements and simulation there.", HelpName = "FILE.png" };
        var parameters = new Option<int>("--parameters") { Description = "Parameters of the model that is simulated.", DefaultValueFactory = static _ => 1_000_000 };
        var json = new Option<bool>("--json") { Description = "Prints the costs and the simulated steps as JSON, and nothing else, on standard output." };
        var command = new Command(
            "growth", "Simulates up to 256 workers, with servers behind 10 Gbit/s each, from measured costs. Example: dtrain bench growth --plot growth.png growth.csv")
        {
            file, picture, parameters, json,
        };
        command.SetAction(parsed =>
        {
            var problems = new List<string>();
            BenchOptions.AtLeastOne("--parameters", parsed.GetValue(parameters), int.MaxValue, problems);
            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            try
            {
                var points = GrowthPoint.Read(File.ReadLines(parsed.GetValue(file)!));
                var model = GrowthModel.Of(points);
                Print(model, parsed.GetValue(parameters), parsed.GetValue(json));
                if (parsed.GetValue(picture) is { } path)
                {
                    GrowthPlot.Save(points, model, parsed.GetValue(parameters), Counts, path);
                }

                return ExitCodes.Done;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or FormatException)
            {
                Console.Error.WriteLine($"bench growth: {parsed.GetValue(file)}: {problem.Message}");
                return ExitCodes.UsageWrong;
            }
        });
        return command;
    }

    private static void Print(GrowthModel model, double parameters, bool json)
    {
        var steps = Counts.Select(workers => (Workers: workers, One: model.Step(workers, 1, parameters), Eighth: model.Step(workers, Math.Max(1, workers / 8), parameters), Each: model.Step(workers, workers, parameters))).ToArray();
        if (json)
        {
            Console.Out.WriteLine(JsonText.Of(new
            {
                costs = model,
                parameters,
                steps = steps.Select(static step => new { step.Workers, OneServer = Rounded.To(step.One, 3), OneServerForEightWorkers = Rounded.To(step.Eighth, 3), AServerForEachWorker = Rounded.To(step.Each, 3) }),
            }));
            return;
        }

        Tables.Print(["cost", "measured"],
        [
            ["computing a leaf", Text($"{model.LeafMilliseconds:0.00} ms")],
            ["summing a parameter of one more worker", Text($"{model.SumNanoseconds:0.000} ns")],
            ["updating a parameter", Text($"{model.UpdateNanoseconds:0.000} ns")],
            ["taking a parameter over", Text($"{model.CopyNanoseconds:0.000} ns")],
            ["a step's wake-ups", Text($"{model.FixedMilliseconds:0.000} ms")],
            ["a message more", Text($"{model.MessageMilliseconds:0.000} ms")],
        ]);
        Console.WriteLine();
        Tables.Print(["workers", "1 server, ms", "1 for 8 workers, ms", "1 for each worker, ms"],
            [.. steps.Select(static step => (string[])[Text($"{step.Workers}"), Text($"{step.One:0.0}"), Text($"{step.Eighth:0.0}"), Text($"{step.Each:0.0}")])]);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
