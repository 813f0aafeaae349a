using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace DistributedTrainer.Dashboard.Following;

/// <summary>What stands in a run's folder apart from what grows.</summary>
/// <param name="State">running, done, or ended.</param>
/// <param name="Ended">Why it ended without a result; null: it did not.</param>
/// <param name="Experiment">Text of experiment.yaml.</param>
/// <param name="Result">Of result.json.</param>
/// <param name="Environment">Of environment.json.</param>
internal sealed record RunState(string State, string? Ended, string Experiment, JsonElement? Result, JsonElement? Environment);

/// <summary>What is new of a run; null: nothing of the kind.</summary>
internal sealed record RunUpdate(
    string Run, RunState? State, MetricColumns? Metrics, Lines<JsonElement>? Evaluations, Lines<JsonElement>? Cluster, Lines<JsonElement>? Weights, Lines<string>? Log)
{
    [JsonIgnore]
    public bool IsEmpty => State is null && Metrics is null && Evaluations is null && Cluster is null && Weights is null && Log is null;
}

/// <summary>Up to where a reader has seen a run.</summary>
internal sealed class RunCursor
{
    public Cursor Metrics = Cursor.Start;
    public Cursor Evaluations = Cursor.Start;
    public Cursor Cluster = Cursor.Start;
    public Cursor Weights = Cursor.Start;
    public Cursor Log = Cursor.Start;

    public RunState? State { get; set; }
}

/// <summary>The files of one run, read as they grow. For any number of threads.</summary>
internal sealed class RunCourse(string directory)
{
    // A file of this kind that is larger comes from elsewhere.
    private const int LargestText = 1 << 20;

    private readonly Lock _gate = new();
    private readonly FollowedFile _metricsFile = new(Path.Combine(directory, "metrics.jsonl"));
    private readonly FollowedFile _clusterFile = new(Path.Combine(directory, "cluster.jsonl"));
    private readonly FollowedFile _weightsFile = new(Path.Combine(directory, "weights.jsonl"));
    private readonly FollowedFile _logFile = new(Path.Combine(directory, "log.txt"), tailOnly: true);
    private readonly MetricSeries _metrics = new();
    private readonly LineList<JsonElement> _evaluations = new(4096, static _ => false);
    private readonly LineList<JsonElement> _cluster = new(4096, static line => line.TryGetProperty("change", out _));
    private readonly LineList<JsonElement> _weights = new(256, static _ => false);
    private readonly LineList<string> _log = new(1000, static _ => true);
    private RunState? _state;

    public string Directory => directory;

    /// <summary>Reads what is new.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public void Refresh()
    {
        lock (_gate)
        {
            _metricsFile.Read(ClearMetrics, Metric);
            _clusterFile.Read(_cluster.Clear, line => Add(_cluster, line));
            _weightsFile.Read(_weights.Clear, line => Add(_weights, line));
            _logFile.Read(_log.Clear, line => _log.Add(Encoding.UTF8.GetString(line.Span)));

            // Last: whoever sees a run's end has seen its last steps.
            var state = new RunState(
                Exists("result.json") && !Exists("ended.txt") ? "done" : Exists("ended.txt") ? "ended" : "running",
                Text("ended.txt")?.Trim(), Text("experiment.yaml") ?? "", Json("result.json"), Json("environment.json"));
            if (_state is null || !IsSame(state, _state))
            {
                _state = state;
            }
        }
    }

    /// <summary>What a reader has not seen yet.</summary>
    /// <param name="run">Its name, for the reader.</param>
    /// <param name="cursor">Moves on.</param>
    public RunUpdate Take(string run, RunCursor cursor)
    {
        lock (_gate)
        {
            var state = ReferenceEquals(cursor.State, _state) ? null : _state;
            cursor.State = _state;
            return new RunUpdate(
                run, state, cursor.Metrics.Take(_metrics), cursor.Evaluations.Take(_evaluations), cursor.Cluster.Take(_cluster), cursor.Weights.Take(_weights), cursor.Log.Take(_log));
        }
    }

    private void ClearMetrics()
    {
        _metrics.Clear();
        _evaluations.Clear();
    }

    private void Metric(ReadOnlyMemory<byte> line)
    {
        if (JsonLine.Parse(line) is not { } json)
        {
            return;
        }

        if (!json.TryGetProperty("loss", out _) && !json.TryGetProperty("skipped", out _))
        {
            _evaluations.Add(json);
            return;
        }

        try
        {
            if (JsonSerializer.Deserialize(line.Span, DashboardJson.Default.MetricStep) is { } step)
            {
                _metrics.Add(step);
            }
        }
        catch (JsonException)
        {
            // A line of another form is not of a step.
        }
    }

    private static void Add(LineList<JsonElement> list, ReadOnlyMemory<byte> line)
    {
        if (JsonLine.Parse(line) is { } json)
        {
            list.Add(json);
        }
    }

    private bool Exists(string name) => File.Exists(Path.Combine(directory, name));

    private JsonElement? Json(string name) => Text(name) is { } text ? JsonLine.Parse(Encoding.UTF8.GetBytes(text)) : null;

    private string? Text(string name)
    {
        try
        {
            using var stream = new FileStream(Path.Combine(directory, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return stream.Length > LargestText ? null : new StreamReader(stream).ReadToEnd();
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private static bool IsSame(RunState one, RunState other) =>
        (one.State, one.Ended, one.Experiment) == (other.State, other.Ended, other.Experiment)
        && one.Result?.GetRawText() == other.Result?.GetRawText() && one.Environment?.GetRawText() == other.Environment?.GetRawText();
}
