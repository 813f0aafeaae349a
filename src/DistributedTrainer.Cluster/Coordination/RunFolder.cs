using System.Text.Json;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>The files of a run. A file that is rewritten is renamed into place, so that a reader never sees half of it.</summary>
internal sealed class RunFolder : IDisposable
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions Indented = new(Json) { WriteIndented = true };

    private readonly StreamWriter _metrics;
    private readonly StreamWriter _log;
    private string _nodes = "";

    /// <summary>Makes the folder and writes the experiment.</summary>
    /// <exception cref="IOException">The folder cannot be made or written.</exception>
    public RunFolder(string path, string experimentYaml)
    {
        FullPath = Path.GetFullPath(path);
        Directory.CreateDirectory(FullPath);
        if (File.Exists(In("result.json")))
        {
            throw new IOException($"{FullPath} holds the result of another run. Choose another --run-dir.");
        }

        File.WriteAllText(In("experiment.yaml"), experimentYaml);
        _metrics = new StreamWriter(In("metrics.jsonl"));
        _log = new StreamWriter(In("log.txt")) { AutoFlush = true };
    }

    public string FullPath { get; }

    public void Metric(object line) => _metrics.WriteLine(JsonSerializer.Serialize(line, Json));

    public void FlushMetrics() => _metrics.Flush();

    public void Log(string text) => _log.WriteLine($"{DateTimeOffset.UtcNow:O} {text}");

    /// <summary>Rewrites nodes.json where it changed.</summary>
    public void Nodes(object nodes)
    {
        var text = JsonSerializer.Serialize(nodes, Indented);
        if (text != _nodes)
        {
            _nodes = text;
            Replace("nodes.json", text);
        }
    }

    public string Result(object result)
    {
        var text = JsonSerializer.Serialize(result, Indented);
        Replace("result.json", text);
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
            ["dtrain.version"] = "1",
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
    }

    private void Replace(string name, string text)
    {
        File.WriteAllText(In(name + ".tmp"), text);
        File.Move(In(name + ".tmp"), In(name), overwrite: true);
    }

    private string In(string name) => Path.Combine(FullPath, name);
}
