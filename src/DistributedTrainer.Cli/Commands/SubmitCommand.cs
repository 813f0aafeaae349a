using System.CommandLine;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain submit</c>: hands a running cluster an experiment.</summary>
internal static class SubmitCommand
{
    public static Command Create()
    {
        var experiment = new Argument<string>("EXPERIMENT") { Description = "The experiment file; -: standard input." };
        var to = new Option<string?>("--to") { Description = "A node of the cluster. Default: DTRAIN_JOIN.", HelpName = "HOST:PORT" };
        var detach = new Option<bool>("--detach") { Description = "Ends as soon as the run has begun, and prints its folder; the cluster trains on." };
        var (shared, visit) = (new ExperimentArguments(), new ClusterVisit("--to"));
        var command = new Command("submit", "Hands a running cluster an experiment and shows it. Example: dtrain submit digits.yaml --to 10.0.0.1:4053")
        {
            experiment,
            to,
            detach,
        };
        shared.AddTo(command);
        visit.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            if ((parsed.GetValue(to) ?? EnvironmentSettings.OfThisProcess["DTRAIN_JOIN"]) is not { } join)
            {
                Console.Error.WriteLine("--to: missing. Write the HOST:PORT that a node of the cluster printed when it started, or set DTRAIN_JOIN.");
                return ExitCodes.UsageWrong;
            }

            if (ExperimentArguments.Load(parsed.GetValue(experiment), parsed.GetValue(shared.Set)!) is not var (loaded, baseDirectory))
            {
                return ExitCodes.UsageWrong;
            }

            if (!visit.Read(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            // Whoever does not wait for the end asks for the folder.
            var views = shared.Views(parsed) is var wished && parsed.GetValue(detach) ? wished with { Quiet = false } : wished;
            using var view = views.Create();
            var (host, exitCode) = await visit.Join(parsed, join, certificates, "Give --to the HOST:PORT that a node printed when it started", CancellationToken.None);
            if (host is null)
            {
                return exitCode;
            }

            await using (host)
            {
                var submission = ExperimentArguments.Submission(loaded, baseDirectory, parsed.GetValue(shared.RunDirectory), endCluster: false);
                return await RunFollower.Follow(host, submission, view, views.Json, comesBack: true, detach: parsed.GetValue(detach));
            }
        });
        return command;
    }
}
