using System.CommandLine;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Dashboard.Reports;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain report</c>: report.html and pictures of a run.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var directories = new Argument<string[]>("RUN_DIR") { Description = "The folder of a run, or of several.", Arity = ArgumentArity.OneOrMore };
        var compare = new Option<string?>("--compare") { Description = "Draws the runs into one picture instead, over steps and over time.", HelpName = "FILE.png" };
        var metric = new Option<string?>("--metric") { Description = "What --compare draws, as it is called in metrics.jsonl. Default: validationAccuracy, or the loss where there is none." };
        var command = new Command("report", "Writes report.html into a run's folder, one file that shows all of the run, and pictures of its curves beside it. Examples: dtrain report runs/digits-20260101-120000, dtrain report runs/sync runs/async --compare modes.png")
        {
            directories,
            compare,
            metric,
        };
        command.SetAction(parsed =>
        {
            var paths = Array.ConvertAll(parsed.GetValue(directories)!, Path.GetFullPath);
            try
            {
                if (parsed.GetValue(compare) is { } picture)
                {
                    var shown = ComparisonPlot.Save([.. paths.Select(static path => (Path.GetFileName(Path.TrimEndingDirectorySeparator(path)), path))], parsed.GetValue(metric), picture);
                    Console.WriteLine($"Picture: {Path.GetFullPath(picture)} ({shown})");
                }
                else if (parsed.GetValue(metric) is not null)
                {
                    Console.Error.WriteLine("--metric says what --compare FILE.png draws: give both.");
                    return ExitCodes.UsageWrong;
                }
                else
                {
                    Array.ForEach(paths, Write);
                }

                return ExitCodes.Done;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException)
            {
                Console.Error.WriteLine(problem.Message);
                return ExitCodes.UsageWrong;
            }
        });
        return command;
    }

    /// <summary>The report at the end of a run: what cannot be written is told, and the run is as good without it.</summary>
    public static string? WriteQuickly(string runDirectory)
    {
        try
        {
            return ReportPage.Write(runDirectory, quickOnly: true);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"The report could not be written: {problem.Message} Write it later with: dtrain report {runDirectory}");
            return null;
        }
    }

    private static void Write(string path)
    {
        Console.WriteLine($"Report: {ReportPage.Write(path, quickOnly: false)}");
        foreach (var picture in RunPlots.Save(path))
        {
            Console.WriteLine($"Picture: {picture}");
        }
    }
}
