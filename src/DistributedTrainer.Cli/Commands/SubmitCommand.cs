using System.CommandLine;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain submit</c>: hands a running cluster an experiment.</summary>
internal static class SubmitCommand
{
    private static readonly TimeSpan JoinLimit = TimeSpan.FromSeconds(15);

    public static Command Create()
    {
        var experiment = new Argument<string>("EXPERIMENT") { Description = "The experiment file; -: standard input." };
        var to = new Option<string?>("--to") { Description = "A node of the cluster. Default: DTRAIN_JOIN.", HelpName = "HOST:PORT" };
        var address = new Option<string?>("--host") { Description = "The address that nodes reach this process under. Default: DTRAIN_HOST, or the one of this machine that leads to --to.", HelpName = "ADDRESS" };
        var detach = new Option<bool>("--detach") { Description = "Ends as soon as the run has begun, and prints its folder; the cluster trains on." };
        var (shared, tls) = (new ExperimentArguments(), new TlsOption());
        var command = new Command("submit", "Hands a running cluster an experiment and shows it. Example: dtrain submit digits.yaml --to 10.0.0.1:4053")
        {
            experiment,
            to,
            address,
            detach,
        };
        shared.AddTo(command);
        tls.AddTo(command);
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

            if (!tls.Read(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            var json = parsed.GetValue(shared.Json);
            using var view = RunViews.Create(parsed.GetValue(shared.Plain), json);
            var options = new NodeOptions { Roles = [], Join = join, Host = NodeSettings.HostOf(parsed.GetValue(address), join), Bind = EnvironmentSettings.OfThisProcess["DTRAIN_BIND"], Certificates = certificates };
            NodeHost host;
            try
            {
                host = await NodeHost.StartAsync(options, certificates is null ? null : TellOfRefusals, CancellationToken.None);
            }
            catch (ArgumentException problem)
            {
                Console.Error.WriteLine(problem.Message);
                return ExitCodes.UsageWrong;
            }

            await using (host)
            {
                try
                {
                    await host.JoinedAsync(JoinLimit);
                }
                catch (TimeoutException)
                {
                    Console.Error.WriteLine($"No cluster answers at {join}. Give --to the HOST:PORT that a node printed when it started, and check that it still runs{(certificates is null ? ", and whether it has --tls: then it is needed here too" : "")}.");
                    return ExitCodes.TrainingFailed;
                }

                var submission = ExperimentArguments.Submission(loaded, baseDirectory, parsed.GetValue(shared.RunDirectory), endCluster: false);
                return await RunFollower.Follow(host, submission, view, json, comesBack: true, detach: parsed.GetValue(detach));
            }
        });
        return command;
    }

    /// <summary>Of what the actor system says, only why nobody is reached.</summary>
    private static void TellOfRefusals(string line)
    {
        if (line.Contains("tls: ", StringComparison.Ordinal))
        {
            Console.Error.WriteLine(line);
        }
    }
}
