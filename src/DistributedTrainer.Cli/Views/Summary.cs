using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace DistributedTrainer.Cli.Views;

/// <summary>The table at the end of a run, from the text of result.json.</summary>
internal static class Summary
{
    public static void Print(string resultJson, string runDirectory)
    {
        var rows = Rows(resultJson);
        if (Console.IsOutputRedirected)
        {
            foreach (var (name, value) in rows)
            {
                Console.WriteLine($"{name,-20} {value}");
            }
        }
        else
        {
            var table = new Table().RoundedBorder().HideHeaders().AddColumns("", "");
            foreach (var (name, value) in rows)
            {
                table.AddRow(new Text(name), new Text(value));
            }

            AnsiConsole.Write(table);
        }

        Console.WriteLine($"Run folder: {runDirectory}");
    }

    /// <summary>What the table shows.</summary>
    internal static IReadOnlyList<(string Name, string Value)> Rows(string resultJson)
    {
        using var document = JsonDocument.Parse(resultJson);
        var result = document.RootElement;
        var metrics = result.GetProperty("metrics");
        var rows = new List<(string, string)> { ("experiment", result.GetProperty("experiment").GetString()!), ("steps", Number(result, "steps", "#,0")), ("epochs", Number(result, "epochs", "0.##")) };
        if (result.TryGetProperty("paused", out _))
        {
            rows.Add(("paused", "as training.pause-after says; dtrain resume --set training.pause-after=null goes on"));
        }

        if (result.TryGetProperty("skippedSteps", out _))
        {
            rows.Add(("skipped steps", Number(result, "skippedSteps", "#,0")));
        }

        foreach (var (key, name, format) in ((string, string, string)[])
        [
            ("trainLoss", "training loss", "0.0000"),
            ("validationLoss", "validation loss", "0.0000"),
            ("validationAccuracy", "validation accuracy", "0.00%"),
            ("testLoss", "test loss", "0.0000"),
            ("testAccuracy", "test accuracy", "0.00%"),
        ])
        {
            if (metrics.TryGetProperty(key, out _))
            {
                rows.Add((name, Number(metrics, key, format)));
            }
        }

        // They are those of the validation rows where there are any.
        var set = metrics.TryGetProperty("validationLoss", out _) ? "the whole validation set" : "the whole test set";
        foreach (var layer in result.TryGetProperty("units", out var units) ? units.EnumerateArray() : default)
        {
            if (layer.TryGetProperty("dead", out var dead) && dead.GetInt32() > 0)
            {
                rows.Add(("dead units", Texts.DeadUnits(
                    layer.GetProperty("layer").GetString()!, layer.GetProperty("function").GetString()!, dead.GetInt32(), layer.GetProperty("units").GetInt32(), set)));
            }
        }

        rows.Add(("rows per second", Number(result, "rowsPerSecond", "#,0")));
        rows.Add(("seconds", Number(result, "seconds", "0.00")));
        foreach (var recovery in result.GetProperty("recoveries").EnumerateArray())
        {
            rows.Add(("recovered", $"step {Number(recovery, "step", "0")} in {Number(recovery, "seconds", "0.00")} s: {recovery.GetProperty("cause").GetString()}"));
        }

        foreach (var change in result.TryGetProperty("changes", out var changes) ? changes.EnumerateArray() : default)
        {
            rows.Add(("changed", $"from step {Number(change, "step", "0")} on: {change.GetProperty("what").GetString()}"));
        }

        rows.Add(("parameters", result.GetProperty("parametersSha256").GetString()!));
        return rows;
    }

    private static string Number(JsonElement element, string name, string format) =>
        element.GetProperty(name).ValueKind == JsonValueKind.Number
            ? element.GetProperty(name).GetDouble().ToString(format, CultureInfo.InvariantCulture)
            : element.GetProperty(name).ToString();
}
