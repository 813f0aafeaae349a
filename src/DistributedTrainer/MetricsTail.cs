using System.Text;
using System.Text.Json;

namespace DistributedTrainer;

/// <summary>Reads the lines that were added to a run's metrics.jsonl since the last look.</summary>
/// <param name="runDirectory">The run's folder, which may be on another machine: then there is nothing to read.</param>
/// <param name="from">Lines up to this step are of an earlier sitting.</param>
/// <param name="step">Told of each step.</param>
/// <param name="evaluation">Told of each evaluation.</param>
internal sealed class MetricsTail(string runDirectory, long from, Action<StepCompleted> step, Action<EvaluationCompleted> evaluation)
{
    private readonly string _file = Path.Combine(runDirectory, "metrics.jsonl");
    private long _place;

    /// <summary>Tells what is new; a line that is being written waits for the next look.</summary>
    /// <param name="steps">Of the whole run.</param>
    public void Read(long steps)
    {
        if (!File.Exists(_file))
        {
            return;
        }

        using var stream = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        stream.Seek(Math.Min(_place, stream.Length), SeekOrigin.Begin);
        var bytes = new byte[stream.Length - stream.Position];
        stream.ReadExactly(bytes);
        var whole = bytes.AsSpan(0, bytes.AsSpan().LastIndexOf((byte)'\n') + 1);
        _place += whole.Length;
        foreach (var line in Encoding.UTF8.GetString(whole).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            Tell(line, steps);
        }
    }

    private void Tell(string text, long steps)
    {
        using var document = JsonDocument.Parse(text);
        var line = document.RootElement;
        var (number, epoch) = (line.GetProperty("step").GetInt64(), JsonNumbers.Find(line, "epoch") ?? 0);
        if (number <= from)
        {
            return;
        }

        var loss = JsonNumbers.Find(line, "loss");
        if (loss is not null || line.TryGetProperty("skipped", out _))
        {
            step(new StepCompleted(number, steps, epoch, loss ?? double.NaN, JsonNumbers.Find(line, "learningRate") ?? double.NaN, JsonNumbers.Find(line, "rowsPerSecond") ?? 0));
        }
        else
        {
            evaluation(new EvaluationCompleted(
                number,
                epoch,
                JsonNumbers.Find(line, "validationLoss"),
                JsonNumbers.Find(line, "validationAccuracy"),
                JsonNumbers.Find(line, "testLoss"),
                JsonNumbers.Find(line, "testAccuracy")));
        }
    }
}
