using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cluster.Telemetry;

/// <summary>Categories of a node's log, and its text form.</summary>
public static class LogTexts
{
    /// <summary>What a node tells of itself.</summary>
    public const string Node = "DistributedTrainer.Node";

    /// <summary>What its coordinator tells of runs.</summary>
    public const string Coordinator = "DistributedTrainer.Coordinator";

    /// <summary>When a node starts and ends.</summary>
    public const string Life = "DistributedTrainer.Life";

    /// <summary>What a launcher tells of its processes.</summary>
    public const string Launcher = "DistributedTrainer.Launcher";

    /// <summary>What the actor system tells.</summary>
    public const string Actors = "Akka";

    /// <summary>One line an event. Those of the actor system show their level: what they say does not tell whether it matters.</summary>
    public static string Line(string category, LogLevel level, string message) =>
        category == Actors ? $"{level.ToString().ToLowerInvariant()}: {message}" : message;

    /// <summary>An event that is a line of text.</summary>
    internal static void Say(this ILogger logger, LogLevel level, string text) => logger.Log(level, default, text, null, static (line, _) => line);

    /// <summary>For what tells lines only.</summary>
    internal static Action<string> Lines(this ILogger logger, LogLevel level = LogLevel.Information) => text => logger.Say(level, text);
}
