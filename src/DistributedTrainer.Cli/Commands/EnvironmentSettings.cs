using System.Globalization;
using DistributedTrainer.Cli.Telemetry;
using DistributedTrainer.Dashboard.Serving;

namespace DistributedTrainer.Cli.Commands;

/// <summary>One environment variable that means something to this program.</summary>
/// <param name="Name">Of the variable.</param>
/// <param name="Form">What its value is, for whoever wrote another.</param>
/// <param name="IsRight">Whether a value is of that form.</param>
internal sealed record EnvironmentSetting(string Name, string Form, Func<string, bool> IsRight);

/// <summary>
/// What the environment says where the command line says nothing, as containers are told. All names are here, and in the table
/// of docs/cluster.md; they are checked together before anything starts.
/// </summary>
/// <param name="variables">The environment.</param>
internal sealed class EnvironmentSettings(IReadOnlyDictionary<string, string> variables)
{
    private const string Prefix = "DTRAIN_";

    public static IReadOnlyList<EnvironmentSetting> All { get; } =
    [
        new("DTRAIN_ROLES", "any of coordinator, server, worker, with commas between them", static _ => true),
        new("DTRAIN_JOIN", "HOST:PORT, several with commas between them", static value => value.Split(',').All(IsAddress)),
        new("DTRAIN_HOST", "an address or a name of this machine, or hostname for the name that it gives itself", static value => Uri.CheckHostName(value) is UriHostNameType.Dns or UriHostNameType.IPv4),
        new("DTRAIN_BIND", "an address of this machine, or 0.0.0.0 for all", static value => Uri.CheckHostName(value) is UriHostNameType.Dns or UriHostNameType.IPv4),
        new("DTRAIN_PORT", "a port from 0 to 65535", static value => IsNumber(value, 0, ushort.MaxValue)),
        new("DTRAIN_WORKERS", "a number from 1 to 1024", static value => IsNumber(value, 1, 1024)),
        new("DTRAIN_WORKERS_PER_NODE", "a number from 1 to 1024, or auto for all cores", static value => WorkersPerNodeOption.TryParse(value, out _)),
        new("DTRAIN_CONFIG", "a HOCON file that is there", File.Exists),
        new("DTRAIN_EXTENSIONS", "assemblies (.dll) that are there, several with commas between them", static value => value.Split(',').All(File.Exists)),
        new("DTRAIN_HEALTH_PORT", "a port from 1 to 65535", static value => IsNumber(value, 1, ushort.MaxValue)),
        new("DTRAIN_METRICS_PORT", "a port from 1 to 65535", static value => IsNumber(value, 1, ushort.MaxValue)),
        new("DTRAIN_LOG_FORMAT", "text or json", static value => value is "text" or "json"),
        new("DTRAIN_LOG_LEVEL", "trace, debug, information, warning, error, critical or none", LogSettings.IsLevel),
        new("DTRAIN_TLS", "a folder with ca.crt, node.crt and node.key, as scripts/make-certificates.sh makes it", Directory.Exists),
        new("DTRAIN_DASHBOARD_TOKEN", "16 to 256 letters, digits, or - _ . ~", DashboardServer.IsToken),
        new("DTRAIN_RUNS", "a folder", static _ => true),
        new("DTRAIN_GO_ON", "true or false", static value => value is "true" or "false"),
        new("DTRAIN_EXPERIMENT", "an experiment file that is there, or digits for the embedded one", static value => value == NodeSettings.Embedded || File.Exists(value)),
        new("DTRAIN_CACHE", "a folder", static _ => true),
        new("DTRAIN_HELD_BYTES", "a number of bytes", static value => IsNumber(value, 0, long.MaxValue)),
        new("DTRAIN_CRASH_AT", "FOLDER|point@n,…, for tests of this program", static _ => true),
    ];

    /// <summary>That of this process.</summary>
    public static EnvironmentSettings OfThisProcess { get; } = new(
        Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>().ToDictionary(static entry => (string)entry.Key, static entry => (string?)entry.Value ?? ""));

    /// <summary>A variable's value; null: it is not set, or empty.</summary>
    public string? this[string name] => variables.GetValueOrDefault(name) is { Length: > 0 } value ? value : null;

    /// <summary>The same as a number.</summary>
    public int? Number(string name) => this[name] is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : null;

    /// <summary>What is wrong with the values, all of it.</summary>
    public IReadOnlyList<string> Problems =>
        [.. from setting in All let value = this[setting.Name] where value is not null && !setting.IsRight(value) select $"{setting.Name}: '{value}' is not right. Write {setting.Form}."];

    /// <summary>Variables that look as if they were meant for this program, and are not.</summary>
    public IReadOnlyList<string> Unknown =>
        [.. variables.Keys.Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal) && All.All(setting => setting.Name != name)).Order(StringComparer.Ordinal)];

    private static bool IsNumber(string value, long from, long to) =>
        long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= from && number <= to;

    private static bool IsAddress(string value) =>
        value.Split(':') is [{ Length: > 0 }, var port] && IsNumber(port, 1, ushort.MaxValue);
}
