namespace DistributedTrainer.Cli.Commands;

/// <summary>What the process's exit code says.</summary>
internal static class ExitCodes
{
    public const int Done = 0;
    public const int TrainingFailed = 1;
    public const int UsageWrong = 2;
}
