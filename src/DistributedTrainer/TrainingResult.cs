using System.Text.Json;

namespace DistributedTrainer;

/// <summary>What a run came to.</summary>
public sealed class TrainingResult
{
    private readonly Lazy<TrainedModel> _model;

    private TrainingResult(string json, string runDirectory, JsonElement root)
    {
        (Json, RunDirectory) = (json, runDirectory);
        var metrics = root.GetProperty("metrics");
        ParametersSha256 = root.GetProperty("parametersSha256").GetString()!;
        Steps = root.GetProperty("steps").GetInt64();
        Seconds = root.GetProperty("seconds").GetDouble();
        RowsPerSecond = root.GetProperty("rowsPerSecond").GetDouble();
        Recoveries = root.GetProperty("recoveries").GetArrayLength();
        TrainLoss = JsonNumbers.Find(metrics, "trainLoss");
        ValidationLoss = JsonNumbers.Find(metrics, "validationLoss");
        ValidationAccuracy = JsonNumbers.Find(metrics, "validationAccuracy");
        TestLoss = JsonNumbers.Find(metrics, "testLoss");
        TestAccuracy = JsonNumbers.Find(metrics, "testAccuracy");
        _model = new Lazy<TrainedModel>(() => TrainedModel.Load(runDirectory));
    }

    /// <summary>SHA-256 of the parameters and running statistics, in lower-case hexadecimal: the same for the same experiment, data and seed, however many workers there were and whatever became of them.</summary>
    public string ParametersSha256 { get; }

    /// <summary>Steps that were applied.</summary>
    public long Steps { get; }

    /// <summary>Mean loss of the last epoch's steps; null: there was no whole one.</summary>
    public double? TrainLoss { get; }

    /// <summary>Mean loss of the validation rows; null: there are none.</summary>
    public double? ValidationLoss { get; }

    /// <summary>Share of right classes among the validation rows, 0..1; null: no such rows, or no classes.</summary>
    public double? ValidationAccuracy { get; }

    /// <summary>Mean loss of the test rows; null: there are none.</summary>
    public double? TestLoss { get; }

    /// <summary>Share of right classes among the test rows, 0..1; null: no such rows, or no classes.</summary>
    public double? TestAccuracy { get; }

    /// <summary>From the submission to the result.</summary>
    public double Seconds { get; }

    /// <summary>Rows trained on, over the whole run.</summary>
    public double RowsPerSecond { get; }

    /// <summary>How often somebody was lost and the run went on.</summary>
    public int Recoveries { get; }

    /// <summary>The run's folder: model.safetensors, metrics.jsonl, checkpoints and the rest, as <c>dtrain</c> has them. Of a cluster: on the coordinator's machine.</summary>
    public string RunDirectory { get; }

    /// <summary>result.json, with all that is not among these properties.</summary>
    public string Json { get; }

    /// <summary>The model, read from <see cref="RunDirectory"/> when it is first asked for.</summary>
    /// <exception cref="InvalidDataException">It is not there, or cannot be read.</exception>
    public TrainedModel Model => _model.Value;

    internal static TrainingResult Parse(string json, string runDirectory)
    {
        using var document = JsonDocument.Parse(json);
        return new TrainingResult(json, runDirectory, document.RootElement);
    }
}
