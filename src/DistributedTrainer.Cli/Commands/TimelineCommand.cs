using System.CommandLine;
using DistributedTrainer.Cli.Exporting;
using DistributedTrainer.Cluster.Timeline;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain timeline</c>: what the steps of a run were spent on, for a viewer of traces.</summary>
internal static class TimelineCommand
{
    public static Command Create()
    {
        var directory = new Argument<string>("RUN_DIR") { Description = "The run's folder; the run may still go on." };
        var to = new Option<string?>("--out") { Description = "Where the trace goes; -: standard output. Default: timeline.json in the run's folder.", HelpName = "FILE" };
        var from = new Option<long>("--from") { Description = "The first step. Default: 0.", HelpName = "STEP" };
        var steps = new Option<long?>("--steps") { Description = "So many steps. Default: all that were recorded.", HelpName = "N" };
        var command = new Command(
            "timeline", "Writes what each worker and server spent recorded steps on, as a trace that chrome://tracing and ui.perfetto.dev load. Example: dtrain timeline runs/digits-20260101-120000 --steps 100")
        {
            directory,
            to,
            from,
            steps,
        };
        command.SetAction(parsed =>
        {
            string[] problems =
            [
                .. parsed.GetValue(from) < 0 ? (string[])[$"--from is {parsed.GetValue(from)}. Write a step from 0 on."] : [],
                .. parsed.GetValue(steps) < 1 ? (string[])[$"--steps is {parsed.GetValue(steps)}. Write 1 or more."] : [],
            ];
            return Problems.Print(problems) ? ExitCodes.UsageWrong : Write(parsed.GetValue(directory)!, parsed.GetValue(to), parsed.GetValue(from), parsed.GetValue(steps));
        });
        return command;
    }

    private static int Write(string directory, string? to, long from, long? steps)
    {
        var source = Path.Combine(directory, TimelineFile.Name);
        if (!File.Exists(source))
        {
            Console.Error.WriteLine($"{directory} holds no {TimelineFile.Name}. Name the folder of a run that was not trained with cluster.timeline: off.");
            return ExitCodes.UsageWrong;
        }

        try
        {
            var target = to ?? Path.Combine(directory, "timeline.json");
            ChromeTrace trace;
            using (var output = target == "-" ? Console.OpenStandardOutput() : File.Create(target))
            {
                trace = ChromeTrace.Write(source, output, from, steps);
            }

            Tell(target == "-" ? Console.Error : Console.Out, trace, target);
            return ExitCodes.Done;
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine(problem.Message);
            return ExitCodes.UsageWrong;
        }
    }

    private static void Tell(TextWriter writer, ChromeTrace trace, string target)
    {
        writer.WriteLine(trace.Count == 0
            ? $"None of these steps was recorded: {target} is empty. Recorded are the first {TimelineWindow.First}, the last {TimelineWindow.Length}, and some between them; cluster.timeline=all records all."
            : $"Timeline: {target} ({trace.Count} spans and events of {trace.Nodes} nodes; clocks agree within {(trace.ClockError is { } error ? $"{error / 1000.0:0.0} ms" : "an unknown time")}). Open it at https://ui.perfetto.dev or chrome://tracing.");
        if (trace.Lost > 0)
        {
            writer.WriteLine($"{trace.Lost} spans are missing: they came faster than they could be taken.");
        }
    }
}
