using System.CommandLine;
using System.Globalization;
using System.Text;
using DistributedTrainer.Cli.Exporting;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain predict</c>: answers for new rows.</summary>
internal static class PredictCommand
{
    public static Command Create()
    {
        var model = ModelArguments.Model();
        var data = ModelArguments.Data();
        var file = new Option<string>("--out") { Description = "The file that is written, CSV or (where it ends in .parquet) Parquet: a line for each row, in the order of the data.", HelpName = "FILE", Required = true };
        var json = new ExperimentArguments().Json;
        var command = new Command(
            "predict", "Predicts the class, with the probability of each, or the value of every row. Example: dtrain predict runs/flowers --data new.csv --out predictions.csv")
        {
            model, data, file, json,
        };
        command.SetAction(parsed =>
        {
            var problems = new List<string>();
            var trained = SavedModel.Load(parsed.GetValue(model)!, problems);
            var features = trained?.ReadFeatures(parsed.GetValue(data)!, Directory.GetCurrentDirectory(), problems);
            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            var predictions = new Predictions(trained!, features!);
            if (!predictions.AreFinite)
            {
                Console.Error.WriteLine($"{trained!.Path}: the model gives numbers that are not finite. Its weights have diverged, or the data holds extreme values.");
                return ExitCodes.TrainingFailed;
            }

            var path = parsed.GetValue(file)!;
            try
            {
                if (path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase))
                {
                    PredictionFile.WriteParquet(path, predictions);
                }
                else
                {
                    File.WriteAllText(path, predictions.Csv());
                }
            }
            catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"{path}: the file cannot be written: {problem.Message}");
                return ExitCodes.UsageWrong;
            }

            Report(predictions, path, parsed.GetValue(json));
            return ExitCodes.Done;
        });
        return command;
    }

    private static void Report(Predictions predictions, string path, bool json)
    {
        var full = Path.GetFullPath(path);
        if (json)
        {
            Console.Out.WriteLine(JsonText.Of(new { predictions.Rows, File = full, Classes = predictions.Counts?.ToDictionary() }));
            return;
        }

        if (predictions.Counts is { } counts)
        {
            Tables.Print(["class", "rows"], [.. counts.Select(static pair => (string[])[pair.Key, pair.Value.ToString(CultureInfo.InvariantCulture)])]);
        }

        Console.WriteLine($"{predictions.Rows} rows: {full}");
    }
}

/// <summary>What a model says of some rows.</summary>
internal sealed class Predictions
{
    private readonly IReadOnlyList<string> _classes;
    private readonly string _prefix;
    private readonly float[] _values;
    private readonly int _columns;
    private readonly int[] _labels = [];

    public Predictions(SavedModel model, float[] features)
    {
        var outputs = model.Network.Predict(features);
        AreFinite = Array.TrueForAll(outputs, float.IsFinite);
        (_classes, _prefix, _values, _columns) = (model.ClassNames, "value", outputs, model.Network.Model.Output.Elements);
        Rows = outputs.Length / _columns;
        if (_classes.Count == 0)
        {
            return;
        }

        _labels = new int[Rows];
        for (var row = 0; row < Rows; row++)
        {
            _labels[row] = model.Loss.Predict(outputs.AsSpan(row * _columns, _columns));
        }

        // What other losses make is no probability: only the order of the scores means something.
        var isProbability = Losses.GivesProbabilities(model.Loss);
        _prefix = isProbability ? "probability" : "score";
        if (isProbability)
        {
            (_values, _columns) = (model.Network.PredictProbabilities(features), _classes.Count);
        }
    }

    public int Rows { get; }

    /// <summary>Whether there is no NaN and no infinity among the outputs.</summary>
    public bool AreFinite { get; }

    /// <summary>How many rows have each class; null: values are predicted.</summary>
    public IReadOnlyList<KeyValuePair<string, int>>? Counts => _classes.Count == 0 ? null
        : [.. _classes.Select((name, c) => KeyValuePair.Create(name, _labels.Count(label => label == c)))];

    /// <summary>Probabilities, scores or values of a row.</summary>
    public int Columns => _columns;

    /// <summary>(Rows, Columns)</summary>
    public IReadOnlyList<float> Values => _values;

    /// <summary>The name of a row's class.</summary>
    public string Label(int row) => _classes[_labels[row]];

    /// <summary>The columns' names, that of the class apart.</summary>
    public IReadOnlyList<string> ColumnNames => _classes.Count == 0 ? ["value"] : _columns == 1 ? [_prefix] : [.. _classes.Select(name => $"{_prefix}_{name}")];

    /// <summary>A header line, then a line for each row.</summary>
    public string Csv()
    {
        var text = new StringBuilder();
        IEnumerable<string> names = _classes.Count == 0 ? ColumnNames : ColumnNames.Prepend("class");
        text.AppendJoin(',', names.Select(Field)).Append('\n');
        for (var row = 0; row < Rows; row++)
        {
            var values = Enumerable.Range(row * _columns, _columns).Select(at => _values[at].ToString("R", CultureInfo.InvariantCulture));
            text.AppendJoin(',', _classes.Count == 0 ? values : values.Prepend(Field(_classes[_labels[row]]))).Append('\n');
        }

        return text.ToString();
    }

    private static string Field(string text) =>
        text.AsSpan().ContainsAny(",\"\r\n;\t") ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
