using System.CommandLine;
using DistributedTrainer.Engine.Extensions;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>--extension my.dll</c>, with every verb: layers and losses of the user's own, from this machine's disk.</summary>
internal static class Extensions
{
    public static Option<string[]> Option { get; } = new("--extension")
    {
        Description = "An assembly with layers and losses of your own, which experiments then name. May be repeated. All nodes of a cluster need the same file. Or DTRAIN_EXTENSIONS.",
        HelpName = "FILE.dll",
        Recursive = true,
        DefaultValueFactory = static _ => [],
    };

    /// <summary>Loads what the command line and the environment name. False: it cannot be used, and standard error says why.</summary>
    /// <param name="parsed">The command line.</param>
    public static bool Load(ParseResult parsed)
    {
        try
        {
            foreach (var file in (parsed.GetValue(Option) ?? []).Concat(EnvironmentSettings.OfThisProcess["DTRAIN_EXTENSIONS"]?.Split(',') ?? []))
            {
                ExtensionRegistry.Load(file);
            }

            return true;
        }
        catch (ArgumentException problem)
        {
            Console.Error.WriteLine($"--extension: {problem.Message}");
            return false;
        }
    }
}
