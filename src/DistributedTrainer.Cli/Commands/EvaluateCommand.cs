using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Metrics;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain evaluate</c>: how good a trained model is on data with known answers.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var model = ModelArguments.Model();
        var data = ModelArguments.Data();
        var rows = new Option<RowSet>("--rows") { Description = "All rows, or those that the model's experiment keeps for training, validation or test, where the data is its own.", DefaultValueFactory = static _ => RowSet.All };
        var json = new ExperimentArguments().Json;
        var command = new Command(
            "evaluate", "Measures a trained model on data whose answers are known. Example: dtrain evaluate runs/flowers --data more-flowers.csv")
        {
            model, data, rows, json,
        };
        command.SetAction(parsed =>
        {
            var problems = new List<string>();
            var trained = SavedModel.Load(parsed.GetValue(model)!, problems);
            var examples = trained?.ReadExamples(parsed.GetValue(data)!, Directory.GetCurrentDirectory(), parsed.GetValue(rows), problems);
            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            Evaluation evaluation;
            try
            {
                evaluation = trained!.Network.Evaluate(examples!, trained.Loss);
            }
            catch (NotFiniteNumberException problem)
            {
                Console.Error.WriteLine(problem.Message);
                return ExitCodes.TrainingFailed;
            }

            if (parsed.GetValue(json))
            {
                Console.Out.WriteLine(JsonText.Of(Json(evaluation, trained.ClassNames)));
            }
            else
            {
                Print(evaluation, trained.ClassNames);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>The form of the JSON.</summary>
    internal static object Json(Evaluation evaluation, IReadOnlyList<string> classes) => new
    {
        evaluation.Rows,
        evaluation.Loss,
        evaluation.Accuracy,
        evaluation.LogLoss,
        evaluation.RocAuc,
        evaluation.Confusion?.MacroPrecision,
        evaluation.Confusion?.MacroRecall,
        evaluation.Confusion?.MacroF1,
        Classes = evaluation.Confusion is not { } confusion ? null : classes.Select((name, c) => new
        {
            Class = name,
            Rows = confusion.Support(c),
            Precision = confusion.Precision(c),
            Recall = confusion.Recall(c),
            F1 = confusion.F1(c),
            PredictedAs = Enumerable.Range(0, classes.Count).Select(predicted => confusion[c, predicted]),
        }),
        evaluation.Regression?.MeanSquaredError,
        evaluation.Regression?.MeanAbsoluteError,
        evaluation.Regression?.RSquared,
        Units = evaluation.Units.Select(static layer => new { layer.Layer, Function = ExperimentNames.Of(layer.Function), layer.Units, layer.Dead, layer.Saturated, layer.SaturatedValues }),
    };

    private static void Print(Evaluation evaluation, IReadOnlyList<string> classes)
    {
        var rows = new List<string[]> { new[] { "rows", evaluation.Rows.ToString(CultureInfo.InvariantCulture) } };
        Add("loss", evaluation.Loss, "0.0000");
        Add("accuracy", evaluation.Accuracy, "0.00%");
        Add("log loss", evaluation.LogLoss, "0.0000");
        Add("ROC AUC", evaluation.RocAuc, "0.0000");
        Add("macro F1", evaluation.Confusion?.MacroF1, "0.0000");
        Add("mean squared error", evaluation.Regression?.MeanSquaredError, "G6");
        Add("mean absolute error", evaluation.Regression?.MeanAbsoluteError, "G6");
        Add("R²", evaluation.Regression?.RSquared, "0.0000");
        Tables.Print(["metric", "value"], rows);
        if (evaluation.Confusion is { } confusion)
        {
            Console.WriteLine();
            Tables.Print(
                ["class", "rows", "precision", "recall", "F1", .. classes.Select(static name => $"as {name}")],
                [.. classes.Select((name, c) => (string[])
                [
                    name,
                    confusion.Support(c).ToString(CultureInfo.InvariantCulture),
                    confusion.Precision(c).ToString("0.0000", CultureInfo.InvariantCulture),
                    confusion.Recall(c).ToString("0.0000", CultureInfo.InvariantCulture),
                    confusion.F1(c).ToString("0.0000", CultureInfo.InvariantCulture),
                    .. Enumerable.Range(0, classes.Count).Select(predicted => confusion[c, predicted].ToString(CultureInfo.InvariantCulture)),
                ])]);
        }

        if (evaluation.Units.Count > 0)
        {
            Console.WriteLine();
            Tables.Print(
                ["layer", "function", "units", "dead", "saturated", "values with a small slope"],
                [.. evaluation.Units.Select(static layer => (string[])
                [
                    layer.Layer,
                    ExperimentNames.Of(layer.Function),
                    layer.Units.ToString(CultureInfo.InvariantCulture),
                    layer.Dead?.ToString(CultureInfo.InvariantCulture) ?? "-",
                    layer.Saturated.ToString(CultureInfo.InvariantCulture),
                    layer.SaturatedValues.ToString("0.0%", CultureInfo.InvariantCulture),
                ])]);
            foreach (var layer in evaluation.Units.Where(static layer => layer.Dead > 0))
            {
                Console.WriteLine($"Warning: {Texts.DeadUnits(layer.Layer, ExperimentNames.Of(layer.Function), layer.Dead!.Value, layer.Units, $"all {evaluation.Rows} rows")}");
            }
        }

        void Add(string name, double? value, string format)
        {
            if (value is { } number)
            {
                rows.Add([name, number.ToString(format, CultureInfo.InvariantCulture)]);
            }
        }
    }
}

/// <summary>What evaluate and predict have in common.</summary>
internal static class ModelArguments
{
    public static Argument<string> Model() => new("MODEL") { Description = "A model.safetensors, or the folder of a run." };

    public static Option<string> Data() => new("--data")
    {
        Description = "A CSV or Parquet file with the columns that the model was trained on, in any order, a folder of IDX files or of images by class, or an embedded data set.",
        HelpName = "SOURCE",
        Required = true,
    };
}
