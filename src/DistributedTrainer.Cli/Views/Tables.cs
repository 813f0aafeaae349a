using Spectre.Console;

namespace DistributedTrainer.Cli.Views;

/// <summary>Tables on standard output.</summary>
internal static class Tables
{
    /// <summary>Prints a table: in a frame on a terminal, else as aligned columns.</summary>
    public static void Print(IReadOnlyList<string> headers, IReadOnlyList<string[]> rows)
    {
        if (Console.IsOutputRedirected)
        {
            Console.Out.Write(Plain(headers, rows));
            return;
        }

        var table = new Table().RoundedBorder();
        foreach (var header in headers)
        {
            table.AddColumn(new TableColumn(new Text(header)));
        }

        foreach (var row in rows)
        {
            table.AddRow(row.Select(static cell => new Text(cell)));
        }

        AnsiConsole.Write(table);
    }

    /// <summary>The table as lines, columns two spaces apart.</summary>
    internal static string Plain(IReadOnlyList<string> headers, IReadOnlyList<string[]> rows)
    {
        var widths = headers.Select((header, column) => rows.Select(row => row[column].Length).Append(header.Length).Max()).ToArray();
        return string.Concat(rows.Prepend([.. headers]).Select(row =>
            string.Join("  ", row.Select((cell, column) => cell.PadRight(widths[column]))).TrimEnd() + Environment.NewLine));
    }
}
