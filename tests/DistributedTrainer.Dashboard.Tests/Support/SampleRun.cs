using System.Globalization;

namespace DistributedTrainer.Dashboard.Tests.Support;

/// <summary>A run's folder, written line by line as a coordinator does.</summary>
internal sealed class SampleRun : IDisposable
{
    private readonly DirectoryInfo _root = System.IO.Directory.CreateTempSubdirectory("dtrain-dashboard-");

    public SampleRun(string name = "digits-1", string experiment = "name: digits\nseed: 42\n")
    {
        Directory = Path.Combine(_root.FullName, name);
        System.IO.Directory.CreateDirectory(Directory);
        Write("experiment.yaml", experiment);
    }

    /// <summary>The folder of runs.</summary>
    public string Root => _root.FullName;

    public string Directory { get; }

    public string In(string name) => Path.Combine(Directory, name);

    public void Append(string name, string line) => File.AppendAllText(In(name), line + "\n");

    /// <summary>As the coordinator does it: in one go.</summary>
    public void Write(string name, string text)
    {
        File.WriteAllText(In(name) + ".tmp", text);
        File.Move(In(name) + ".tmp", In(name), overwrite: true);
    }

    public void Step(int step, double loss) =>
        Append("metrics.jsonl", string.Create(CultureInfo.InvariantCulture, $$"""{"step":{{step}},"epoch":{{step / 20.0}},"loss":{{loss}},"learningRate":0.002,"rowsPerSecond":9000,"seconds":{{step / 10.0}}}"""));

    public void Evaluation(int step, double loss, double accuracy) =>
        Append("metrics.jsonl", string.Create(CultureInfo.InvariantCulture, $$"""{"step":{{step}},"epoch":{{step / 20.0}},"validationLoss":{{loss}},"validationAccuracy":{{accuracy}},"units":[{"layer":"1","function":"relu","units":64,"dead":3,"saturated":5}]}"""));

    public void Cluster(double seconds, int step, params string[] workers) =>
        Append("cluster.jsonl", string.Create(CultureInfo.InvariantCulture, $$"""{"at":"2026-01-01T10:00:00+00:00","change":true,"seconds":{{seconds}},"step":{{step}},"steps":100,"phase":"training","generation":1,"rowsPerSecond":9000,"nodes":[{{string.Join(',', workers.Select((name, i) => $$"""{"name":"{{name}}","role":"worker","host":"127.0.0.1","processId":{{100 + i}},"state":"training","work":[{{i}}],"rowsPerSecond":4500}"""))}}]}"""));

    public void Weights(int step) =>
        Append("weights.jsonl", $$"""{"step":{{step}},"tensors":[{"name":"0.weight","elements":8,"low":-1,"high":1,"mean":0,"norm":2,"gradientNorm":0.5,"counts":[1,2,4,1]}]}""");

    public void Result() =>
        Write("result.json", """{"experiment":"digits","seed":42,"steps":100,"epochs":5,"parametersSha256":"00ff","metrics":{"trainLoss":0.25,"validationLoss":0.5,"validationAccuracy":0.875},"rowsPerSecond":9000,"seconds":10,"recoveries":[{"step":40,"cause":"worker-a was killed","seconds":0.25}]}""");

    public void Dispose() => _root.Delete(recursive: true);
}
