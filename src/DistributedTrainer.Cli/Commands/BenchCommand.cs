using System.CommandLine;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain bench</c>: how fast this machine is at what training is made of.</summary>
internal static class BenchCommand
{
    public static Command Create() =>
        new("bench", "Measures speed: matrix products, optimizers, whole training, the data plane. Example: dtrain bench train --layers 784-512-256-10 --workers 2")
        {
            BenchMatmulCommand.Create(),
            BenchOptimizerCommand.Create(),
            BenchTrainCommand.Create(),
            BenchChannelCommand.Create(),
            BenchGrowthCommand.Create(),
        };
}
