using System.CommandLine;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cluster.Telemetry;
using Microsoft.Extensions.Logging;

namespace DistributedTrainer.Cli.Telemetry;

/// <summary>How a log is written.</summary>
internal enum LogFormat
{
    /// <summary>Lines for a person.</summary>
    Text,

    /// <summary>A JSON object a line, for whoever collects logs.</summary>
    Json,
}

/// <summary>The form and the level of the log, by the command line or the environment.</summary>
internal sealed class LogSettings
{
    private readonly Option<string?> _format = new("--log-format") { Description = "text, or json: one object a line, on standard error. Default: DTRAIN_LOG_FORMAT, or text.", HelpName = "text|json" };

    public LogSettings() => _format.AcceptOnlyFromAmong("text", "json");

    /// <summary>What is told at least. Default: information.</summary>
    public static LogLevel Level => EnvironmentSettings.OfThisProcess["DTRAIN_LOG_LEVEL"] is { } level ? Enum.Parse<LogLevel>(level, ignoreCase: true) : LogLevel.Information;

    public void AddTo(Command command) => command.Options.Add(_format);

    /// <summary>How it is written.</summary>
    public LogFormat Format(ParseResult parsed) =>
        (parsed.GetValue(_format) ?? EnvironmentSettings.OfThisProcess["DTRAIN_LOG_FORMAT"]) == "json" ? LogFormat.Json : LogFormat.Text;

    /// <summary>Whether a name is a level.</summary>
    public static bool IsLevel(string name) => Enum.GetNames<LogLevel>().Any(level => level.Equals(name, StringComparison.OrdinalIgnoreCase)) && name == name.ToLowerInvariant();

    /// <summary>A log that goes to these places.</summary>
    /// <param name="level">What is told at least; that a node listens and ends is told in any case, unless nothing is.</param>
    /// <param name="places">Where to.</param>
    public static ILoggerFactory Create(LogLevel level, IEnumerable<ILoggerProvider> places) => new LoggerFactory(places, Filter(level));

    /// <summary>The place of a format, for a node.</summary>
    public static ILoggerProvider Place(LogFormat format) =>
        format == LogFormat.Json ? new JsonLines(Console.OpenStandardError()) : new TextLines(Console.Out, Console.Error);

    private static LoggerFilterOptions Filter(LogLevel level)
    {
        var options = new LoggerFilterOptions { MinLevel = level };
        if (level != LogLevel.None)
        {
            options.Rules.Add(new LoggerFilterRule(null, LogTexts.Life, LogLevel.Information, null));
        }

        return options;
    }
}
