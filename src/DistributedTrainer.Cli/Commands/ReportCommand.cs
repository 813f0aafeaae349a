using System.CommandLine;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Dashboard.Reports;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain report</c>: report.html and pictures of a run.</summary>
internal static class ReportCommand
{
    public static Command Create()
    {
        var directory = new Argument<string>("RUN_DIR") { Description = "The run's folder." };
        var command = new Command("report", "Writes report.html into a run's folder, one file that shows all of the run, and pictures of its curves beside it. Example: dtrain report runs/digits-20260101-120000")
        {
            directory,
        };
        command.SetAction(parsed =>
        {
            try
            {
                var path = Path.GetFullPath(parsed.GetValue(directory)!);
                Console.WriteLine($"Report: {ReportPage.Write(path, quickOnly: false)}");
                foreach (var picture in RunPlots.Save(path))
                {
                    Console.WriteLine($"Picture: {picture}");
                }

                return ExitCodes.Done;
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
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
}
