using System.Globalization;
using System.Text.Json;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>What is done with an experiment before it is trained, and with a model afterwards.</summary>
public sealed class VerbTests
{
    private const string Iris = """
        name: iris
        data: { source: iris, preprocess: [ standardize ], split: { validation: 0.1, test: 0.2 } }
        model: { layers: [ linear: 16, batch-norm, tanh, linear: 3 ] }
        optimizer: { kind: adam, learning-rate: 0.02 }
        training: { epochs: 20, batch-size: 16, shards: 4 }
        """;

    [Fact]
    public async Task The_gradients_of_the_default_experiment_are_right()
    {
        var (code, output, errors) = await Dtrain.Run(["check-gradients"]);
        Assert.True(code == 0, output + errors);
        foreach (var expected in (string[])["0 linear", "0.weight", "1 batch-norm", "8.bias", "largest error"])
        {
            Assert.Contains(expected, output, StringComparison.Ordinal);
        }

        var (jsonCode, json, _) = await Dtrain.Run(["check-gradients", "--json", "--rows", "4", "--set", "model.layers.2=tanh", "--set", "model.layers.6=gelu"]);
        Assert.Equal(0, jsonCode);
        var result = JsonDocument.Parse(json).RootElement;
        Assert.True(result.GetProperty("passed").GetBoolean());
        Assert.Equal(10, result.GetProperty("parameters").GetArrayLength());
    }

    [Fact]
    public async Task A_model_is_evaluated_to_the_metrics_of_its_run_and_inspected_to_its_hash()
    {
        using var directory = await Trained();
        var test = await Json(directory, "evaluate", directory.Run, "--data", "iris", "--rows", "test");
        var metrics = directory.Result.GetProperty("metrics");
        Assert.Equal(30, test.GetProperty("rows").GetInt32());
        Assert.Equal(metrics.GetProperty("testAccuracy").GetDouble(), test.GetProperty("accuracy").GetDouble());
        var loss = metrics.GetProperty("testLoss").GetDouble();
        Assert.InRange(test.GetProperty("loss").GetDouble(), loss * (1 - 1e-5), loss * (1 + 1e-5));

        var all = await Json(directory, "evaluate", Path.Combine(directory.Run, "model.safetensors"), "--data", "iris");
        Assert.Equal(150, all.GetProperty("classes").EnumerateArray().Sum(static row => row.GetProperty("predictedAs").EnumerateArray().Sum(static count => count.GetInt32())));
        Assert.True(all.GetProperty("rocAuc").GetDouble() > 0.95);

        var inspected = await Json(directory, "inspect", directory.Run);
        Assert.Equal(directory.Hash, inspected.GetProperty("parametersSha256").GetString());
        Assert.Equal(["linear", "batch-norm", "tanh", "linear"], inspected.GetProperty("layers").EnumerateArray().Select(static layer => layer.GetProperty("kind").GetString()));
        Assert.Equal("16x4", inspected.GetProperty("tensors")[0].GetProperty("shape").GetString());
    }

    [Fact]
    public async Task Rows_in_another_order_of_columns_and_without_a_target_are_predicted_the_same()
    {
        using var directory = await Trained();
        await File.WriteAllTextAsync(directory.In("a.csv"), "sepal_length,sepal_width,petal_length,petal_width,species\n5.1,3.5,1.4,0.2,setosa\n6.7,3.0,5.2,2.3,virginica\n");
        await File.WriteAllTextAsync(directory.In("b.csv"), "id,petal_width,petal_length,sepal_width,sepal_length\nrow one,0.2,1.4,3.5,5.1\nrow two,2.3,5.2,3.0,6.7\n");
        foreach (var name in (string[])["a", "b"])
        {
            var (code, output, errors) = await Dtrain.Run(["predict", directory.Run, "--data", $"{name}.csv", "--out", $"{name}-out.csv"], directory.In("."));
            Assert.True(code == 0, output + errors);
        }

        var lines = await File.ReadAllLinesAsync(directory.In("a-out.csv"));
        Assert.Equal(lines, await File.ReadAllLinesAsync(directory.In("b-out.csv")));
        Assert.Equal("class,probability_setosa,probability_versicolor,probability_virginica", lines[0]);
        Assert.Equal(["setosa", "virginica"], lines[1..].Select(static line => line.Split(',')[0]));
        Assert.All(lines[1..], static line => Assert.Equal(1, line.Split(',')[1..].Sum(static p => double.Parse(p, CultureInfo.InvariantCulture)), 5));
    }

    [Fact]
    public async Task Two_classes_with_one_output_and_numbers_are_predicted_and_measured_too()
    {
        using var directory = new RunDirectory();
        await Train(directory, """
            data: { source: breast-cancer, preprocess: [ standardize ] }
            model: { layers: [ linear: 1 ] }
            loss: logistic
            optimizer: { kind: adam, learning-rate: 0.1 }
            training: { epochs: 5 }
            """, directory.In("two"));
        await Train(directory, """
            data: { source: diabetes, preprocess: [ standardize ] }
            model: { layers: [ linear: 1 ] }
            loss: mean-squared-error
            optimizer: { kind: adam, learning-rate: 1 }
            training: { epochs: 100 }
            """, directory.In("number"));

        var two = await Json(directory, "evaluate", directory.In("two"), "--data", "breast-cancer");
        Assert.True(two.GetProperty("rocAuc").GetDouble() > 0.9);
        Assert.Equal(2, two.GetProperty("classes").GetArrayLength());
        var number = await Json(directory, "evaluate", directory.In("number"), "--data", "diabetes");
        Assert.InRange(number.GetProperty("rSquared").GetDouble(), 0.4, 0.6);
        Assert.True(number.GetProperty("meanAbsoluteError").GetDouble() < 60);
        Assert.False(number.TryGetProperty("accuracy", out _));

        Assert.Equal(569, (await Json(directory, "predict", directory.In("two"), "--data", "breast-cancer", "--out", directory.In("two.csv"))).GetProperty("rows").GetInt32());
        Assert.Equal(442, (await Json(directory, "predict", directory.In("number"), "--data", "diabetes", "--out", directory.In("number.csv"))).GetProperty("rows").GetInt32());
        Assert.Equal(2, (await File.ReadAllLinesAsync(directory.In("two.csv")))[0].Split(',').Count(static name => name.StartsWith("probability_", StringComparison.Ordinal)));
        Assert.Equal("value", (await File.ReadAllLinesAsync(directory.In("number.csv")))[0]);
    }

    [Fact]
    public async Task Data_is_inspected_as_it_is()
    {
        using var directory = new RunDirectory();
        await File.WriteAllTextAsync(directory.In("rows.csv"), "a,b,kind\n1,,x\n2,7,y\n3,8,x\n");
        var (code, output, errors) = await Dtrain.Run(["inspect", "rows.csv"], directory.In("."));
        Assert.True(code == 0, errors);
        Assert.Contains("x (2), y (1)", output, StringComparison.Ordinal);
        var columns = (await Json(directory, "inspect", directory.In("rows.csv"))).GetProperty("columns");
        Assert.Equal(1, columns[1].GetProperty("missing").GetInt32());
        Assert.Equal(7.5, columns[1].GetProperty("mean").GetDouble());
    }

    [Fact]
    public async Task What_does_not_fit_a_model_is_named_and_nothing_is_written()
    {
        using var directory = await Trained();
        await File.WriteAllTextAsync(directory.In("few.csv"), "sepal_length,petal_length\n1,2\n");
        var (code, _, errors) = await Dtrain.Run(["predict", directory.Run, "--data", "few.csv", "--out", "out.csv"], directory.In("."));
        Assert.Equal(2, code);
        Assert.Contains("lacks 'sepal_width', lacks 'petal_width'", errors, StringComparison.Ordinal);
        Assert.False(File.Exists(directory.In("out.csv")));
    }

    [Theory]
    [InlineData("evaluate nothing --data iris", "nothing: there is no such file")]
    [InlineData("evaluate nothing", "--data")]
    [InlineData("predict nothing --data iris", "--out")]
    [InlineData("evalute x --data iris", "evaluate")]
    [InlineData("inspect nothing.csv", "nothing.csv")]
    [InlineData("check-gradients --rows 0 --set optimizer.kind=adm", "--rows is 0")]
    [InlineData("check-gradients --rows 0 --set optimizer.kind=adm", "Did you mean adam?")]
    public async Task A_wrong_command_line_says_what_to_write(string arguments, string expected)
    {
        var (code, output, errors) = await Dtrain.Run(arguments.Split(' '));
        Assert.Equal(2, code);
        Assert.Contains(expected, output + errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_help_lists_the_verbs_in_the_order_of_use_and_each_has_an_example()
    {
        string[] verbs = ["check-gradients", "train", "tune", "inspect", "evaluate", "predict", "node", "submit", "bench"];
        var (code, output, _) = await Dtrain.Run(["--help"]);
        Assert.Equal(0, code);
        var places = verbs.Select(verb => output.IndexOf($"\n  {verb} ", StringComparison.Ordinal)).ToArray();
        Assert.All(places, static place => Assert.True(place > 0));
        Assert.Equal(places.Order(), places);
        foreach (var verb in verbs)
        {
            Assert.Contains($"dtrain {verb} ", (await Dtrain.Run([verb, "--help"])).Output.ReplaceLineEndings(" "), StringComparison.Ordinal);
        }
    }

    private static async Task<RunDirectory> Trained()
    {
        var directory = new RunDirectory();
        await Train(directory, Iris, directory.Run);
        return directory;
    }

    private static async Task Train(RunDirectory directory, string yaml, string run)
    {
        await File.WriteAllTextAsync(directory.In("experiment.yaml"), yaml);
        var (code, output, errors) = await Dtrain.Run(["train", directory.In("experiment.yaml"), "--in-process", "--run-dir", run]);
        Assert.True(code == 0, output + errors);
    }

    private static async Task<JsonElement> Json(RunDirectory directory, params string[] arguments)
    {
        var (code, output, errors) = await Dtrain.Run([.. arguments, "--json"], directory.In("."));
        Assert.True(code == 0, output + errors);
        return JsonDocument.Parse(output).RootElement;
    }
}
