using System.CommandLine;
using DistributedTrainer.Cli.Commands;

var environment = EnvironmentSettings.OfThisProcess;
foreach (var name in environment.Unknown)
{
    Console.Error.WriteLine($"Warning: {name} in the environment means nothing here. docs/cluster.md lists what does.");
}

if (Problems.Print(environment.Problems))
{
    return ExitCodes.UsageWrong;
}

var root = new RootCommand("Trains neural networks on a cluster of .NET processes, to the same bits however many there are.")
{
    // In the order in which they are used: a model is checked, trained, improved, used; then clusters of one's own, and their speed.
    CheckGradientsCommand.Create(),
    TrainCommand.Create(),
    ResumeCommand.Create(),
    ReplayCommand.Create(),
    TuneCommand.Create(),
    DashboardCommand.Create(),
    ReportCommand.Create(),
    InspectCommand.Create(),
    EvaluateCommand.Create(),
    PredictCommand.Create(),
    ExportCommand.Create(),
    NodeCommand.Create(),
    SubmitCommand.Create(),
    ControlCommand.Create(),
    HealthCommand.Create(),
    BenchCommand.Create(),
};
var parsed = root.Parse(args);

// Interrupts are handled where there is something to stop in good order, without a limit of two seconds.
var invocation = new InvocationConfiguration { ProcessTerminationTimeout = null };

// A wrong command line is a user's error like a wrong experiment: exit code 2.
return parsed.Errors.Count > 0 && parsed.Action is System.CommandLine.Invocation.ParseErrorAction
    ? Math.Max(2, await parsed.InvokeAsync(invocation))
    : await parsed.InvokeAsync(invocation);
