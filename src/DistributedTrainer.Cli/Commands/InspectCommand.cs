using System.Buffers.Binary;
using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain inspect</c>: what is in an experiment, a run's folder, a model, or a data file.</summary>
internal static class InspectCommand
{
    private const int ClassesShown = 12;

    public static Command Create()
    {
        var what = new Argument<string>("PATH") { Description = "An experiment file, a run's folder, a .safetensors file, a CSV or Parquet file, a folder of IDX files or of images by class, or an embedded data set." };
        var (json, threads) = (new ExperimentArguments().Json, new WorkersPerNodeOption());
        var command = new Command(
            "inspect", "Shows layers, bytes on the wire and memory of an experiment; layers, tensors, hashes and metrics of a run or a model; columns, ranges, classes and gaps of data. Example: dtrain inspect runs/flowers")
        {
            what, json,
        };
        threads.AddTo(command);
        command.SetAction(parsed =>
        {
            if (!threads.Read(parsed, out var perNode))
            {
                return ExitCodes.UsageWrong;
            }

            var (path, problems) = (parsed.GetValue(what)!, new List<string>());
            var pages = IsExperiment(path) ? ExperimentPage.Of(path, perNode, problems) : IsRun(path) || path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
                ? OfModel(path, problems)
                : Directory.Exists(path) ? OfFolder(path, problems) : OfTable(path, problems);
            if (Problems.Print(problems) || pages is null)
            {
                return ExitCodes.UsageWrong;
            }

            if (parsed.GetValue(json))
            {
                Console.Out.WriteLine(JsonText.Of(pages.Json));
                return ExitCodes.Done;
            }

            foreach (var (headers, rows) in pages.Tables.Where(static table => table.Rows.Count > 0))
            {
                Tables.Print(headers, rows);
                Console.WriteLine();
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static bool IsExperiment(string path) => File.Exists(path) && (path.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) || path.EndsWith(".yml", StringComparison.OrdinalIgnoreCase));

    private static bool IsRun(string path) => Directory.Exists(path) && (File.Exists(Path.Combine(path, "result.json")) || File.Exists(Path.Combine(path, "experiment.yaml")));

    private static InspectPages OfModel(string path, List<string> problems)
    {
        var file = SavedModel.FileOf(path);
        byte[] bytes;
        IReadOnlyList<NamedTensor> tensors;
        IReadOnlyDictionary<string, string> metadata;
        try
        {
            bytes = File.ReadAllBytes(file);
            (tensors, metadata) = SafeTensors.Read(bytes);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            problems.Add(Directory.Exists(path) && !File.Exists(file)
                ? $"{path}: there is no model.safetensors in the folder. Has its run ended?"
                : $"{file}: the model cannot be read: {problem.Message}");
            return InspectPages.None;
        }

        // A file of another program has tensors, but not what makes a model of them.
        var trained = metadata.ContainsKey("dtrain.experiment") ? SavedModel.Load(path, problems) : null;
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes.AsSpan(8 + (int)BinaryPrimitives.ReadInt64LittleEndian(bytes))));
        var result = Directory.Exists(path) && File.Exists(Path.Combine(path, "result.json")) ? File.ReadAllText(Path.Combine(path, "result.json")) : null;
        var figures = tensors.Select(static tensor => Figures.Of(tensor)).ToArray();
        var layers = trained?.Layers ?? [];
        var facts = new List<string[]> { new[] { "file", Path.GetFullPath(file) }, new[] { "SHA-256 of the tensors", hash }, new[] { "numbers", Number(figures.Sum(static tensor => tensor.Elements)) } };
        if (trained is not null)
        {
            facts.Add(["experiment", trained.Experiment.Name]);
            facts.Add(["target", trained.TargetName]);
            facts.Add(["columns", Some(trained.Preprocessor.InputNames)]);
            facts.Add(["classes", trained.ClassNames.Count == 0 ? "none: a number is predicted" : Some(trained.ClassNames)]);
        }

        facts.AddRange(metadata.Where(static pair => !pair.Key.StartsWith("dtrain.", StringComparison.Ordinal)).Select(static pair => (string[])[pair.Key, pair.Value]));
        return new InspectPages(
            new
            {
                File = Path.GetFullPath(file),
                ParametersSha256 = hash,
                Experiment = trained?.Experiment.Name,
                Target = trained?.TargetName,
                Columns = trained?.Preprocessor.InputNames,
                Classes = trained?.ClassNames,
                Layers = trained is null ? null : layers.Select(static layer => new { layer.Place, layer.Kind, Output = layer.Output.ToString(), layer.Parameters }),
                Tensors = figures,
                Metadata = metadata,
                Result = result is null ? (JsonElement?)null : JsonDocument.Parse(result).RootElement,
            },
            [
                (["what", "value"], facts),
                (["layer", "kind", "output", "parameters"], [.. layers.Select(static layer => (string[])[Number(layer.Place), layer.Kind, layer.Output.ToString(), Number(layer.Parameters)])]),
                (["tensor", "shape", "numbers", "zeros", "smallest", "largest", "mean", "deviation"],
                    [.. figures.Select(static tensor => (string[])[tensor.Name, tensor.Shape, Number(tensor.Elements), Number(tensor.Zeros), Short(tensor.Minimum), Short(tensor.Maximum), Short(tensor.Mean), Short(tensor.Deviation)])]),
                (["result", "value"], result is null ? [] : [.. Summary.Rows(result).Select(static row => (string[])[row.Name, row.Value])]),
            ]);
    }

    private static InspectPages OfFolder(string path, List<string> problems)
    {
        if (DatasetReader.Read(path, null, null, Directory.GetCurrentDirectory(), problems) is not { } data)
        {
            problems.Add($"{path}: the folder is neither a run's nor one of IDX files, nor one of images by class.");
            return InspectPages.None;
        }

        var classes = data.ClassNames.Select((name, c) => KeyValuePair.Create(name, data.Labels.LongCount(label => label == c))).ToDictionary();
        return new InspectPages(
            new { Source = path, data.Rows, data.TrainingRows, data.TestRows, Shape = data.InputShape.ToString(), Classes = classes, data.Sha256 },
            [
                (["what", "value"],
                    [["rows", Number(data.Rows)], ["of them for tests", Number(data.TestRows)], ["shape of a row", data.InputShape.ToString()], ["SHA-256", data.Sha256]]),
                (["class", "rows"], [.. classes.Select(static pair => (string[])[pair.Key, Number(pair.Value)])]),
            ]);
    }

    private static InspectPages OfTable(string path, List<string> problems)
    {
        if (TableSummary.Read(path, Directory.GetCurrentDirectory(), problems) is not { } table)
        {
            return InspectPages.None;
        }

        var last = table.Columns[^1];
        var facts = new List<string[]> { new[] { "rows", Number(table.Rows) }, new[] { "columns", Number(table.Columns.Count) }, new[] { "empty cells", Number(table.Columns.Sum(static column => column.Missing)) } };
        if (table.Ragged > 0)
        {
            facts.Add(["rows with another number of fields", Number(table.Ragged)]);
        }

        facts.Add(["target, if not chosen", last.Name]);
        return new InspectPages(
            new
            {
                table.Source,
                table.Rows,
                table.Ragged,
                Columns = table.Columns.Select(static column => new { column.Name, Kind = Kind(column), column.Missing, column.Minimum, column.Maximum, column.Mean, Values = column.Values?.ToDictionary() }),
            },
            [
                (["what", "value"], facts),
                (["column", "kind", "missing", "smallest", "largest", "mean", "values"], [.. table.Columns.Select(static column => (string[])
                [
                    column.Name, Kind(column), Number(column.Missing), Short(column.Minimum), Short(column.Maximum), Short(column.Mean),
                    Values(column),
                ])]),
            ]);
    }

    private static string Values(ColumnSummary column) => column.Values switch
    {
        null => $"more than {TableSummary.MostValues} different",
        { Count: > ClassesShown } values when column.Texts == 0 => $"{values.Count} different",
        var values => Some([.. values.Select(static pair => $"{pair.Key} ({pair.Value})")]),
    };

    private static string Kind(ColumnSummary column) => column switch
    {
        { Numbers: 0, Texts: 0 } => "empty",
        { Texts: 0 } => "numbers",
        { Numbers: 0 } => "text",
        _ => "numbers and text",
    };

    private static string Some(IReadOnlyList<string> names) =>
        string.Join(", ", names.Take(ClassesShown)) + (names.Count > ClassesShown ? $", … ({names.Count} in all)" : "");

    private static string Number(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Short(double? value) => value?.ToString("G4", CultureInfo.InvariantCulture) ?? "-";

    /// <summary>Figures of one tensor, in float64 in the order of its elements.</summary>
    private sealed record Figures(string Name, string Shape, int Elements, int Zeros, double Minimum, double Maximum, double Mean, double Deviation)
    {
        public static Figures Of(NamedTensor tensor)
        {
            var (sum, squares, minimum, maximum) = (0.0, 0.0, double.PositiveInfinity, double.NegativeInfinity);
            var values = tensor.Values.Span;
            foreach (var value in values)
            {
                sum += value;
                (minimum, maximum) = (Math.Min(minimum, value), Math.Max(maximum, value));
            }

            var mean = sum / values.Length;
            foreach (var value in values)
            {
                squares += (value - mean) * (value - mean);
            }

            return new Figures(tensor.Name, tensor.Shape.ToString(), values.Length, values.Count(0f), minimum, maximum, mean, Math.Sqrt(squares / values.Length));
        }
    }
}
