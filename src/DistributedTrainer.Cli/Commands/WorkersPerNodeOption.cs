using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary>How many cores a worker node fills: <c>--workers-per-node N|auto</c>, or DTRAIN_WORKERS_PER_NODE.</summary>
internal sealed class WorkersPerNodeOption
{
    /// <summary>Stands for the cores that this process may use.</summary>
    public const string Auto = "auto";

    private readonly Option<string?> _number = new("--workers-per-node")
    {
        Description = "Worker threads of each worker node, which share the parameters in memory and divide the node's shards; auto: as many as the machine, or the container, has cores. Default: DTRAIN_WORKERS_PER_NODE, or 1.",
        HelpName = "N|auto",
    };

    public void AddTo(Command command) => command.Options.Add(_number);

    /// <summary>Reads what the command line or the environment says. False: it is wrong, and standard error says why.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="threads">How many.</param>
    public bool Read(ParseResult parsed, out int threads)
    {
        var text = parsed.GetValue(_number) ?? EnvironmentSettings.OfThisProcess["DTRAIN_WORKERS_PER_NODE"] ?? "1";
        if (TryParse(text, out threads))
        {
            return true;
        }

        Console.Error.WriteLine($"--workers-per-node: '{text}' is not right. Write a number from 1 to {NodeOptions.MostThreads}, or {Auto}.");
        return false;
    }

    /// <summary>Reads a value.</summary>
    /// <param name="text">A number or auto.</param>
    /// <param name="threads">How many that is on this machine.</param>
    public static bool TryParse(string text, out int threads)
    {
        if (text == Auto)
        {
            threads = Math.Min(Environment.ProcessorCount, NodeOptions.MostThreads);
            return true;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out threads) && threads is >= 1 and <= NodeOptions.MostThreads;
    }
}
