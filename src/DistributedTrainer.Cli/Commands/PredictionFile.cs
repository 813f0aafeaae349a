using Parquet;
using Parquet.Schema;

namespace DistributedTrainer.Cli.Commands;

/// <summary>Predictions as a Parquet file: the class as text where there are classes, then the numbers as float32.</summary>
internal static class PredictionFile
{
    // Rows of one row group: readers hold a group in memory.
    private const int GroupRows = 1 << 18;

    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void WriteParquet(string path, Predictions predictions) => Write(path, predictions).GetAwaiter().GetResult();

    private static async Task Write(string path, Predictions predictions)
    {
        var label = predictions.Counts is null ? null : new DataField<string>("class", nullable: false);
        DataField[] numbers = [.. predictions.ColumnNames.Select(static name => new DataField<float>(name))];
        await using var file = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(label is null ? numbers : [label, .. numbers]), file);
        for (var first = 0; first < predictions.Rows; first += GroupRows)
        {
            var rows = Math.Min(GroupRows, predictions.Rows - first);
            using var group = writer.CreateRowGroup();
            if (label is not null)
            {
                await group.WriteAsync(label, [.. Enumerable.Range(first, rows).Select(predictions.Label)]);
            }

            for (var column = 0; column < numbers.Length; column++)
            {
                var at = column;
                await group.WriteAsync<float>(numbers[column], Enumerable.Range(first, rows).Select(row => predictions.Values[(row * predictions.Columns) + at]).ToArray());
            }
        }
    }
}
