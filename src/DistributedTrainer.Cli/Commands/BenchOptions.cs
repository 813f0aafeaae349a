using DistributedTrainer.Channels;

namespace DistributedTrainer.Cli.Commands;

/// <summary>What the options of the measurements must be.</summary>
internal static class BenchOptions
{
    /// <summary>Notes a number that is out of range.</summary>
    public static void AtLeastOne(string option, long value, long most, ICollection<string> problems)
    {
        if (value < 1 || value > most)
        {
            problems.Add(FormattableString.Invariant($"{option} is {value}, it must be at least 1{(most == int.MaxValue ? "" : $" and at most {most}")}."));
        }
    }

    /// <summary>Notes the name of a transport that is unknown.</summary>
    public static void Transport(string name, ICollection<string> problems)
    {
        if (!TransportSelector.Names.Contains(name))
        {
            problems.Add($"--transport: '{name}' is none of {string.Join(", ", TransportSelector.Names)}.");
        }
    }
}
