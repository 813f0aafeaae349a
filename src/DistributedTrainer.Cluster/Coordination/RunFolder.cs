using System.Text.Json;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>The files of a run. A file that is rewritten is renamed into place, so that a reader never sees half of it.</summary>
internal sealed class RunFolder : IDisposable
{
    /// <summary>The file with the experiment as it goes on.</summary>
    public const string ExperimentName = "experiment.yaml";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions Indented = new(Json) { WriteIndented = true };

    private const string MemoryName = "progress.json";
    private const string EndName = "ended.txt";
    private const string GenerationName = "generation.txt";
    private const string MetricsName = "metrics.jsonl";
    private const string WeightsName = "weights.jsonl";

    private readonly AppendedFile _metrics;
    private readonly AppendedFile _log;
    private readonly AppendedFile _cluster;
    private readonly AppendedFile _weights;
    private string _nodes = "";
    private string? _problem;

    private RunFolder(string path, bool goesOn)
    {
        FullPath = path;
        _metrics = new AppendedFile(In(MetricsName), goesOn);
        _log = new AppendedFile(In("log.txt"), goesOn);
        _cluster = new AppendedFile(In("cluster.jsonl"), goesOn);
        _weights = new AppendedFile(In(WeightsName), goesOn);
        TryReplace("environment.json", JsonSerializer.Serialize(RunEnvironment.OfThisProcess(), Indented));
    }

    /// <summary>Makes the folder and writes the experiment.</summary>
    /// <exception cref="IOException">The folder cannot be made or written, or another run is in it.</exception>
    public static RunFolder Create(string path, string experimentYaml)
    {
        path = Path.GetFullPath(path);
        Directory.CreateDirectory(path);
        if (File.Exists(Path.Combine(path, "result.json")) || Directory.Exists(Path.Combine(path, "checkpoints")))
        {
            throw new IOException($"{path} holds another run. Choose another --run-dir, or go on with that run: dtrain resume {path}");
        }

        File.WriteAllText(Path.Combine(path, ExperimentName), experimentYaml);
        File.Delete(Path.Combine(path, Timeline.TimelineFile.Name));
        return new RunFolder(path, goesOn: false);
    }

    /// <summary>A path that nothing is at: this one, or the same with a number behind it. Short runs may begin within a second.</summary>
    public static string Unused(string path)
    {
        var unused = path;
        for (var number = 2; Directory.Exists(unused); number++)
        {
            unused = $"{path}-{number}";
        }

        return unused;
    }

    /// <summary>
    /// How long nobody has written to a run's metrics, by the clock of files. That one may have been set meanwhile: it is
    /// never negative, and never more than a day.
    /// </summary>
    public static TimeSpan UnwatchedFor(string path)
    {
        var metrics = Path.Combine(path, MetricsName);
        var unwatched = File.Exists(metrics) ? DateTime.UtcNow - File.GetLastWriteTimeUtc(metrics) : TimeSpan.Zero;
        return unwatched < TimeSpan.Zero ? TimeSpan.Zero : unwatched > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : unwatched;
    }

    /// <summary>Goes on in the folder of an earlier sitting.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="experimentYaml">The experiment as it goes on.</param>
    /// <param name="step">Metrics of later steps are taken out, and evaluations and descriptions from this version on, which follow again; null: all stays.</param>
    /// <param name="evaluated">Whether the evaluation of that version stays too: it does not follow again.</param>
    /// <param name="lines">Receives what stays.</param>
    /// <exception cref="IOException">The folder cannot be read or written.</exception>
    public static RunFolder GoOn(string path, string experimentYaml, long? step, out IReadOnlyList<MetricLine> lines, bool evaluated = false)
    {
        path = Path.GetFullPath(path);
        Replace(Path.Combine(path, ExperimentName), experimentYaml);

        // Of an earlier end: the run goes on, and has no result until the next.
        File.Delete(Path.Combine(path, "result.json"));
        File.Delete(Path.Combine(path, EndName));
        var metrics = Path.Combine(path, MetricsName);
        var kept = File.Exists(metrics) ? MetricLine.Read(File.ReadLines(metrics), step, evaluated) : [];
        ReplaceLines(metrics, kept.Select(static line => line.Text));
        lines = kept;
        var weights = Path.Combine(path, WeightsName);
        var described = File.Exists(weights) ? WeightLine.Read(File.ReadLines(weights), Json).Where(entry => !(entry.Line.Step > step)).ToList() : [];
        var last = described.FindLast(entry => entry.Line.Step == step).Line;
        described.RemoveAll(entry => entry.Line.Step == step);
        ReplaceLines(weights, described.Select(static entry => entry.Text));
        return new RunFolder(path, goesOn: true) { Described = described.Count == 0 ? -1 : described.Max(static entry => entry.Line.Step), LastDescription = last };
    }

    public string FullPath { get; }

    /// <summary>The newest version that an earlier sitting has described to its end; −1: none.</summary>
    public long Described { get; private init; } = -1;

    /// <summary>The description of the version that is gone on from, taken out of the file: the step that follows is still to come; null: there was none.</summary>
    public WeightLine? LastDescription { get; private init; }

    /// <summary>The experiment as it goes on from here.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Experiment(string experimentYaml) => Replace(In(ExperimentName), experimentYaml);

    /// <summary>Why something could not be written, and is tried again; null: all is well.</summary>
    public string? Problem => _metrics.Problem ?? _log.Problem ?? _cluster.Problem ?? _weights.Problem ?? _problem;

    /// <summary>What the evaluations said when a coordinator last wrote it down; null: nothing.</summary>
    public ProgressMemory? Memory
    {
        get
        {
            try
            {
                return JsonSerializer.Deserialize<ProgressMemory>(File.ReadAllText(In(MemoryName)), Json);
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or JsonException)
            {
                return null;
            }
        }
    }

    /// <summary>The newest generation that any coordinator of the run may have used; 0: none.</summary>
    public long Generation
    {
        get
        {
            try
            {
                return long.Parse(File.ReadAllText(In(GenerationName)), System.Globalization.CultureInfo.InvariantCulture);
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or FormatException or OverflowException)
            {
                return 0;
            }
        }
    }

    /// <summary>
    /// To be noted before the first message of a generation: a coordinator that begins anew must take a newer one, also than
    /// what nobody has heard of yet and is still under way.
    /// </summary>
    public void NoteGeneration(long generation) => TryReplace(GenerationName, generation.ToString(System.Globalization.CultureInfo.InvariantCulture));

    public void Metric(object line) => _metrics.Add(JsonSerializer.Serialize(line, Json));

    /// <summary>How the cluster stands; the time of day is added.</summary>
    public void Cluster(object line)
    {
        var text = JsonSerializer.Serialize(line, Json);
        _cluster.Add($"{{\"at\":\"{DateTimeOffset.UtcNow:O}\",{text.AsSpan(1)}");
        _cluster.Flush();
    }

    /// <summary>What the parameters and the gradient of a version look like.</summary>
    public void Weights(WeightLine line)
    {
        _weights.Add(JsonSerializer.Serialize(line, Json));
        _weights.Flush();
    }

    /// <summary>For a coordinator that begins anew.</summary>
    public void Remember(ProgressMemory memory) => TryReplace(MemoryName, JsonSerializer.Serialize(memory, Json));

    public void FlushMetrics() => _metrics.Flush();

    public void Log(string text)
    {
        _log.Add($"{DateTimeOffset.UtcNow:O} {text}");
        _log.Flush();
    }

    /// <summary>Whether the run in a folder came to an end, be it a failure: nobody takes it over, but it can be resumed.</summary>
    public static bool IsEnded(string path) => File.Exists(Path.Combine(path, "result.json")) || File.Exists(Path.Combine(path, EndName));

    /// <summary>Whether the run in a folder came to its own end: then nothing is left of it to do.</summary>
    public static bool IsDone(string path) => File.Exists(Path.Combine(path, "result.json")) && !File.Exists(Path.Combine(path, EndName));

    /// <summary>Why the run in a folder came to no good end; null: it did, or is not over.</summary>
    public static string? FailureIn(string path) => Path.Combine(path, EndName) is var file && File.Exists(file) ? File.ReadAllText(file).TrimEnd('\n') : null;

    /// <summary>The run is over, for this reason.</summary>
    public void NoteEnd(string reason) => TryReplace(EndName, reason + "\n");

    /// <summary>Rewrites nodes.json where it changed.</summary>
    public void Nodes(object nodes)
    {
        var text = JsonSerializer.Serialize(nodes, Indented);
        if (text != _nodes && TryReplace("nodes.json", text))
        {
            _nodes = text;
        }
    }

    public string Result(object result)
    {
        var text = JsonSerializer.Serialize(result, Indented);
        Replace(In("result.json"), text);
        return text;
    }

    /// <summary>Writes model.safetensors and returns the hash of its data section.</summary>
    public string Model(TrainingPlan plan, ReadOnlyMemory<float> parameters, ReadOnlyMemory<float> buffers)
    {
        var tensors = plan.Model.Layout.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, parameters.Slice(slot.Offset, slot.Shape.Elements)))
            .Concat(plan.Model.Buffers.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, buffers.Slice(slot.Offset, slot.Shape.Elements))));
        var dataset = plan.Data.Dataset;
        var metadata = new Dictionary<string, string>
        {
            ["format"] = "pt",
            ["dtrain.version"] = SavedModel.FormatVersion,
            ["dtrain.experiment"] = Experiments.ExperimentWriter.Write(plan.Experiment),
            ["dtrain.features"] = JsonSerializer.Serialize(dataset.FeatureNames, Json),
            ["dtrain.target"] = dataset.TargetName,
            ["dtrain.classes"] = JsonSerializer.Serialize(dataset.ClassNames, Json),
            ["dtrain.preprocess"] = plan.Data.Preprocessor.ToJson(),
        };
        var temporary = In("model.safetensors.tmp");
        string hash;
        using (var stream = File.Create(temporary))
        {
            hash = SafeTensors.Write(stream, [.. tensors], metadata);
        }

        File.Move(temporary, In("model.safetensors"), overwrite: true);
        return hash;
    }

    public void Dispose()
    {
        _metrics.Dispose();
        _log.Dispose();
        _cluster.Dispose();
        _weights.Dispose();
    }

    private bool TryReplace(string name, string text)
    {
        try
        {
            Replace(In(name), text);
            _problem = null;
            return true;
        }
        catch (Exception problem) when (WriteProblem.Is(problem))
        {
            _problem = WriteProblem.Text(problem);
            return false;
        }
    }

    private static void ReplaceLines(string path, IEnumerable<string> lines)
    {
        File.WriteAllLines(path + ".tmp", lines);
        File.Move(path + ".tmp", path, overwrite: true);
    }

    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".tmp", text);
        File.Move(path + ".tmp", path, overwrite: true);
    }

    private string In(string name) => Path.Combine(FullPath, name);
}
