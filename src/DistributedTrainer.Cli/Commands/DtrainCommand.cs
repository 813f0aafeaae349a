using System.CommandLine;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain</c>: all verbs.</summary>
internal static class DtrainCommand
{
    public static RootCommand Create() => new("Trains neural networks on a cluster of .NET processes, to the same bits however many there are.")
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
