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

var parsed = DtrainCommand.Create().Parse(args);
if (!Extensions.Load(parsed))
{
    return ExitCodes.UsageWrong;
}

// Interrupts are handled where there is something to stop in good order, without a limit of two seconds.
var invocation = new InvocationConfiguration { ProcessTerminationTimeout = null };

// A wrong command line is a user's error like a wrong experiment: exit code 2.
return parsed.Errors.Count > 0 && parsed.Action is System.CommandLine.Invocation.ParseErrorAction
    ? Math.Max(2, await parsed.InvokeAsync(invocation))
    : await parsed.InvokeAsync(invocation);
