using System.CommandLine;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain</c>: all verbs.</summary>
internal static class DtrainCommand
{
    public static RootCommand Create()
    {
        var root = Verbs();
        NameWrongOptions(root);
        return root;
    }

    /// <summary>What looks like an option and is none would be taken for a file.</summary>
    private static void NameWrongOptions(Command command)
    {
        foreach (var argument in command.Arguments)
        {
            argument.Validators.Add(result =>
            {
                foreach (var token in result.Tokens.Where(static token => token.Value.StartsWith("--", StringComparison.Ordinal)))
                {
                    var options = command.Options.SelectMany(static option => option.Aliases.Prepend(option.Name)).ToArray();
                    var near = Spelling.Nearest(token.Value, options) is { } name ? $"Did you mean {name}?" : "--help lists what there is.";
                    result.AddError($"{token.Value}: dtrain {command.Name} has no such option. {near}");
                }
            });
        }

        foreach (var verb in command.Subcommands)
        {
            NameWrongOptions(verb);
        }
    }

    private static RootCommand Verbs() => new("Trains neural networks on a cluster of .NET processes, to the same bits however many there are.")
    {
        // In the order in which they are used: a model is checked, trained, improved, used; then clusters of one's own, and their speed.
        CheckGradientsCommand.Create(),
        TrainCommand.Create(),
        ResumeCommand.Create(),
        ReplayCommand.Create(),
        TuneCommand.Create(),
        DashboardCommand.Create(),
        ReportCommand.Create(),
        TimelineCommand.Create(),
        InspectCommand.Create(),
        EvaluateCommand.Create(),
        PredictCommand.Create(),
        ExportCommand.Create(),
        NodeCommand.Create(),
        SubmitCommand.Create(),
        ControlCommand.Create(),
        HealthCommand.Create(),
        BenchCommand.Create(),
        CompletionCommand.Create(),
        Extensions.Option,
    };
}
