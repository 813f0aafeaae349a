using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>Every file in examples/ does what its comment says. A file without a claim here fails.</summary>
public sealed class ExampleTests
{
    private static readonly string Folder = Path.Combine(RepositoryRoot.Path, "examples");

    // A process uses about one core while it starts; more than two at once would only wait for each other.
    private static readonly SemaphoreSlim Places = new(2);

    private static readonly Dictionary<string, Func<Task>> Claims = new()
    {
        ["iris-perceptron"] = static async () =>
        {
            var iris = await Run("iris-perceptron");
            Assert.Equal((0, 1), (iris.TrainLoss, iris.TestAccuracy));
        },
        ["breast-cancer-logistic"] = static () => MeanAccuracy("breast-cancer-logistic", 0.96),
        ["wine-softmax"] = static () => MeanAccuracy("wine-softmax", 0.96),
        ["digits-softmax"] = static () => MeanAccuracy("digits-softmax", 0.95),
        ["diabetes-linear"] = static async () =>
        {
            var diabetes = await Run("diabetes-linear");
            Assert.InRange(diabetes.TrainLoss, 2678, 2680);
            Assert.InRange(diabetes.TestLoss, 3600, 3800);
        },
        ["polynomial"] = static async () =>
        {
            var curve = await All("polynomial", Set("data.preprocess.0.polynomial=1"), Set("data.preprocess.0.polynomial=3"), Set("data.preprocess.0.polynomial=11"));
            Assert.True(curve[0].TrainLoss > 5 * curve[1].TrainLoss && curve[1].TrainLoss > 2 * curve[2].TrainLoss, "training error falls");
            Assert.True(curve[0].ValidationLoss > 3 * curve[1].ValidationLoss, "validation error falls at first");
            Assert.True(curve[2].ValidationLoss > 1.2 * curve[1].ValidationLoss, "validation error rises again");
        },
        ["xor-linear"] = static async () => Assert.True((await Run("xor-linear")).TestAccuracy <= 0.75),
        ["xor-mlp"] = static async () =>
        {
            var runs = await All("xor-mlp", [], Set("model.init.weights=zeros"));
            Assert.Equal(1, runs[0].TestAccuracy);
            Assert.True(runs[1].TestAccuracy <= 0.75);
            Assert.Equal(Math.Log(2), runs[1].TrainLoss, 1e-5);
        },
        ["digits-mlp"] = static async () =>
        {
            var (linear, hidden) = await Two(Run("digits-softmax"), Run("digits-mlp"));
            Assert.True(hidden.TestLoss < 0.6 * linear.TestLoss && hidden.TrainLoss < 0.2 * linear.TrainLoss);
        },
        ["digits-convolution"] = static async () =>
        {
            var digits = await Run("digits-convolution");
            Assert.True(digits.TestAccuracy >= 0.98 && digits.TestLoss < 0.05);
        },
        ["ten-tanh-layers"] = static async () =>
        {
            var runs = await All("ten-tanh-layers", Set("model.init.weights={normal: small}"), Set("model.init.weights={normal: large}"), Set("model.init.weights=xavier"), []);
            Assert.Equal(Math.Log(10), runs[0].TestLoss, 0.01);
            Assert.True(runs[1].TestAccuracy < 0.5, "large weights saturate");
            Assert.True(runs[2].TestAccuracy > 0.93 && runs[3].TestAccuracy > 0.93, "scaled weights learn");
        },
        ["dying-relu"] = static async () =>
        {
            using var dead = new RunDirectory();
            var killed = await Run("dying-relu", dead, Set("optimizer.learning-rate=2"));
            var runs = await All("dying-relu", [], Set($"model.from={Path.Combine(dead.Run, "model.safetensors")}"));
            Assert.True(killed.TestAccuracy < 0.2 && runs[1].TestAccuracy < 0.2, "what died stays dead at a gentle rate");
            Assert.True(runs[0].TestAccuracy > 0.95, "the gentle rate itself is good");
            Assert.Equal(64, killed.Dead.Max());
            Assert.Equal(killed.Dead, runs[1].Dead);
            Assert.All(runs[0].Dead, static dead => Assert.True(dead < 16));
            var (code, output, errors) = await Dtrain.Run(["inspect", dead.Run]);
            Assert.True(code == 0, output + errors);
            Assert.Contains(": 64 of 64 units were 0 on the whole validation set. Lower optimizer.learning-rate", output, StringComparison.Ordinal);
            var (_, table, _) = await Dtrain.Run(["evaluate", dead.Run, "--data", "digits"]);
            Assert.Contains("Warning: layer 3 relu: 64 of 64 units were 0 on all 1797 rows.", table, StringComparison.Ordinal);
            var (_, evaluated, _) = await Dtrain.Run(["evaluate", dead.Run, "--data", "digits", "--rows", "validation", "--json"]);
            Assert.Equal(killed.Dead, new Outcome(JsonDocument.Parse(evaluated).RootElement).Dead);
        },
        ["over-fitting"] = static async () =>
        {
            var runs = await All(
                "over-fitting",
                [],
                Set("optimizer.weight-decay=3"),
                Set("optimizer.l1=10", "optimizer.l1-zeros=true"),
                Set("model.layers.2.dropout=0.5"),
                Set("data.augment=[noise: 0.5]"),
                Set("training.early-stopping.patience=10"));
            Assert.All(runs[1..], cured =>
            {
                Assert.True(cured.TestLoss < 0.92 * runs[0].TestLoss);
                Assert.True(cured.ValidationLoss - cured.TrainLoss < 0.7 * (runs[0].ValidationLoss - runs[0].TrainLoss));
            });
            Assert.Equal(900, runs[0].Steps);
            Assert.True(runs[5].Steps < 600, "early stopping stops early");
            var zeros = new List<int>();
            foreach (var l1 in (string[])["3", "10", "30"])
            {
                zeros.Add(await ZerosOf("over-fitting", $"optimizer.l1={l1}", "optimizer.l1-zeros=true"));
            }

            Assert.True(zeros[0] > 200 && zeros[1] > 2 * zeros[0] && zeros[2] > zeros[1], $"zeros of 1,408 weights: {string.Join(", ", zeros)}");
            Assert.Equal(0, await ZerosOf("over-fitting", "optimizer.l1=10"));
        },
        ["augmentation"] = static async () =>
        {
            var runs = await All("augmentation", [], Set("data.augment=[shift: 1]"));
            Assert.True(runs[1].TrainLoss > 10 * runs[0].TrainLoss && runs[1].TestAccuracy > runs[0].TestAccuracy);
        },
        ["batch-norm"] = static async () => Assert.True((await Run("batch-norm")).TestAccuracy > 0.95),
        ["batch-norm-off"] = static async () => Assert.True((await Run("batch-norm-off")).TestAccuracy < 0.3),
        ["deep-plain"] = static async () => Assert.True((await Run("deep-plain")).TestAccuracy < 0.75),
        ["deep-residual"] = static async () => Assert.True((await Run("deep-residual")).TestAccuracy > 0.93),
        ["narrow-valley"] = static async () =>
        {
            var runs = await All(
                "narrow-valley",
                [],
                Set("optimizer.kind=momentum"),
                Set("optimizer.kind=nesterov"),
                Set("optimizer.kind=rmsprop", "optimizer.learning-rate=0.5"),
                Set("optimizer.kind=adam", "optimizer.learning-rate=0.5"),
                Set("optimizer.kind=adagrad", "optimizer.learning-rate=2"));
            Assert.InRange(runs[0].TrainLoss, 0.3, 0.6);
            Assert.All(runs[1..], static faster => Assert.True(faster.TrainLoss < 0.002));
        },
        ["schedules"] = static async () =>
        {
            var runs = await All(
                "schedules",
                Set("optimizer.schedule=constant"),
                Set("optimizer.schedule=cosine"),
                Set("optimizer.schedule={kind: step, every: 400}"),
                Set("optimizer.schedule={kind: reduce-on-plateau, patience: 2}"));
            Assert.All(runs[1..], falling => Assert.True(falling.TrainLoss < 2750 && falling.TrainLoss < 0.92 * runs[0].TrainLoss));
        },
    };

    public static TheoryData<string> Files => [.. Directory.GetFiles(Folder, "*.yaml").Select(static file => Path.GetFileNameWithoutExtension(file)).Order()];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task An_example_does_what_it_says(string file)
    {
        Assert.True(Claims.TryGetValue(file, out var claim), $"examples/{file}.yaml has no claim in ExampleTests.");
        await claim();
    }

    [Fact]
    public void Claims_and_rows_of_the_readme_are_those_of_the_files()
    {
        var files = Directory.GetFiles(Folder, "*.yaml").Select(static file => Path.GetFileNameWithoutExtension(file)).Order().ToArray();
        var rows = File.ReadLines(Path.Combine(Folder, "README.md"))
            .Where(static line => line.StartsWith("| [", StringComparison.Ordinal)).Select(static line => line[3..line.IndexOf(']', StringComparison.Ordinal)]);
        Assert.Equal(files, Claims.Keys.Order());
        Assert.Equal(files, rows.Order());
    }

    [Fact]
    public void Data_files_are_what_their_recipe_makes()
    {
        var files = Directory.GetFiles(Path.Combine(Folder, "data")).ToDictionary(static file => Path.GetFileName(file), File.ReadAllText);
        Assert.Equal(ExampleData.Files.Keys.Order(), files.Keys.Order());
        Assert.All(ExampleData.Files, pair => Assert.Equal(pair.Value, files[pair.Key], ignoreLineEndingDifferences: true));
    }

    // The bars are those of the same models in scikit-learn.
    private static async Task MeanAccuracy(string file, double bar)
    {
        var runs = await All(file, Set("seed=1"), Set("seed=2"), Set("seed=3"));
        Assert.True(runs.Average(static run => run.TestAccuracy) >= bar, string.Join(", ", runs.Select(static run => run.TestAccuracy)));
    }

    // Weights that are exactly 0 in the model of a run.
    private static async Task<int> ZerosOf(string file, params string[] overrides)
    {
        using var directory = new RunDirectory();
        await Run(file, directory, overrides);
        var (code, output, errors) = await Dtrain.Run(["inspect", directory.Run, "--json"]);
        Assert.True(code == 0, output + errors);
        return JsonDocument.Parse(output).RootElement.GetProperty("tensors").EnumerateArray()
            .Where(static tensor => tensor.GetProperty("name").GetString()!.EndsWith(".weight", StringComparison.Ordinal)).Sum(static tensor => tensor.GetProperty("zeros").GetInt32());
    }

    private static string[] Set(params string[] overrides) => overrides;

    private static Task<Outcome[]> All(string file, params string[][] runs) => Task.WhenAll(runs.Select(overrides => Run(file, overrides)));

    private static async Task<(Outcome First, Outcome Second)> Two(Task<Outcome> first, Task<Outcome> second) => (await first, await second);

    private static async Task<Outcome> Run(string file, params string[] overrides)
    {
        using var directory = new RunDirectory();
        return await Run(file, directory, overrides);
    }

    private static async Task<Outcome> Run(string file, RunDirectory directory, string[] overrides)
    {
        await Places.WaitAsync();
        try
        {
            var (code, output, errors) = await Dtrain.Run(
                ["train", Path.Combine(Folder, file + ".yaml"), "--in-process", "--json", "--run-dir", directory.Run, .. overrides.SelectMany(static text => new[] { "--set", text })]);
            Assert.True(code == 0, output + errors);
            return new Outcome(directory.Result);
        }
        finally
        {
            Places.Release();
        }
    }

    /// <summary>What result.json says.</summary>
    private sealed record Outcome(JsonElement Result)
    {
        public long Steps => Result.GetProperty("steps").GetInt64();

        public double TrainLoss => Metric("trainLoss");

        public double ValidationLoss => Metric("validationLoss");

        public double TestLoss => Metric("testLoss");

        public double TestAccuracy => Metric("testAccuracy");

        /// <summary>Dead units of each layer.</summary>
        public int[] Dead => [.. Result.GetProperty("units").EnumerateArray().Select(static layer => layer.GetProperty("dead").GetInt32())];

        private double Metric(string name) => Result.GetProperty("metrics").GetProperty(name).GetDouble();
    }
}
