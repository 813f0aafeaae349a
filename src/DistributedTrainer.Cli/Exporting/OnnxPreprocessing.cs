using System.Text.Json;
using DistributedTrainer.Data;

namespace DistributedTrainer.Cli.Exporting;

/// <summary>
/// Fitted preprocessing as ONNX nodes, read from the form in which models keep it. Numbers run through float64 and are
/// rounded after each step, as in training.
/// </summary>
internal sealed class OnnxPreprocessing(Preprocessor preprocessor, OnnxGraph graph)
{
    // Columns side by side in one tensor (N, Width); of text where Text names the column.
    private sealed record Piece(string Tensor, int Width, string? Text = null);

    /// <summary>Adds the inputs and the steps.</summary>
    /// <returns>Preprocessed rows (N, columns).</returns>
    public string Add()
    {
        var pieces = Inputs();
        using var stored = JsonDocument.Parse(preprocessor.ToJson());
        foreach (var step in stored.RootElement.GetProperty("steps").EnumerateArray())
        {
            pieces = step.GetProperty("kind").GetString() switch
            {
                "affine" => ByNumbers(pieces, (piece, first) => Affine(piece, Numbers(step, "offset", first, piece.Width), Numbers(step, "factor", first, piece.Width))),
                "fill-missing" => ByNumbers(pieces, (piece, first) => Fill(piece, Numbers(step, "values", first, piece.Width))),
                "polynomial" => ByNumbers(pieces, (piece, _) => Polynomial(piece, step.GetProperty("degree").GetInt32())),
                "one-hot" => OneHot(pieces, step.GetProperty("categories")),
                var other => throw new NotSupportedException($"export: the step {other} of preprocessing has no form in ONNX here."),
            };
        }

        return pieces is [var only] ? only.Tensor : graph.Node("Concat", [.. pieces.Select(static piece => piece.Tensor)], ("axis", 1));
    }

    /// <summary>The columns in the order of the data: numbers in one input, texts in another.</summary>
    private List<Piece> Inputs()
    {
        var (names, texts) = (preprocessor.InputNames, preprocessor.TextColumns.ToHashSet());
        var numbers = names.Count - texts.Count;
        var (numberInput, textInput) = (
            numbers > 0 ? graph.Input("rows", OnnxType.Float, numbers) : "", texts.Count > 0 ? graph.Input("texts", OnnxType.String, texts.Count) : "");
        graph.Note("columns", JsonSerializer.Serialize(names.Where(name => !texts.Contains(name))));
        if (texts.Count == 0)
        {
            return [new Piece(numberInput, numbers)];
        }

        graph.Note("text-columns", JsonSerializer.Serialize(names.Where(texts.Contains)));
        var (pieces, number, text) = (new List<Piece>(), 0, 0);
        for (var column = 0; column < names.Count;)
        {
            if (texts.Contains(names[column]))
            {
                pieces.Add(new Piece(Slice(textInput, text++, 1), 1, names[column++]));
                continue;
            }

            var width = 0;
            for (; column < names.Count && !texts.Contains(names[column]); column++)
            {
                width++;
            }

            pieces.Add(new Piece(Slice(numberInput, number, width), width));
            number += width;
        }

        return pieces;
    }

    private static List<Piece> ByNumbers(List<Piece> pieces, Func<Piece, int, Piece> step)
    {
        var (result, first) = (new List<Piece>(), 0);
        foreach (var piece in pieces)
        {
            result.Add(piece.Text is null ? step(piece, first) : piece);
            first += piece.Width;
        }

        return result;
    }

    private Piece Affine(Piece piece, double[] offset, double[] factor)
    {
        var difference = graph.Node("Sub", [Wide(piece.Tensor), graph.Constant(offset, offset.Length)]);
        return piece with { Tensor = Narrow(graph.Node("Mul", [difference, graph.Constant(factor, factor.Length)])) };
    }

    private Piece Fill(Piece piece, double[] values) => piece with
    {
        Tensor = graph.Node("Where", [graph.Node("IsNaN", [piece.Tensor]), graph.Constant(Array.ConvertAll(values, static value => (float)value), values.Length), piece.Tensor]),
    };

    // Each column's powers stand side by side: (N, columns, degree), then flat.
    private Piece Polynomial(Piece piece, int degree)
    {
        var axis = graph.Constant((long[])[2], 1);
        var wide = Wide(piece.Tensor);
        var (power, powers) = (wide, new List<string> { graph.Node("Unsqueeze", [piece.Tensor, axis]) });
        for (var exponent = 2; exponent <= degree; exponent++)
        {
            power = graph.Node("Mul", [power, wide]);
            powers.Add(graph.Node("Unsqueeze", [Narrow(power), axis]));
        }

        return piece with
        {
            Tensor = graph.Node("Reshape", [graph.Node("Concat", [.. powers], ("axis", 2)), graph.Constant((long[])[-1, piece.Width * degree], 2)]),
            Width = piece.Width * degree,
        };
    }

    private List<Piece> OneHot(List<Piece> pieces, JsonElement categories)
    {
        var result = new List<Piece>();
        foreach (var piece in pieces)
        {
            if (piece.Text is null || !categories.TryGetProperty(piece.Text, out var names))
            {
                result.Add(piece);
                continue;
            }

            string[] known = [.. names.EnumerateArray().Select(static name => name.GetString()!)];
            if (known.Length > 0)
            {
                result.Add(new Piece(graph.Node("Cast", [graph.Node("Equal", [piece.Tensor, graph.Constant(known, 1, known.Length)])], ("to", (int)OnnxType.Float)), known.Length));
            }
        }

        return result;
    }

    private string Slice(string tensor, int first, int width) =>
        graph.Node("Slice", [tensor, graph.Constant((long[])[first], 1), graph.Constant((long[])[first + width], 1), graph.Constant((long[])[1], 1)]);

    private string Wide(string tensor) => graph.Node("Cast", [tensor], ("to", (int)OnnxType.Double));

    private string Narrow(string tensor) => graph.Node("Cast", [tensor], ("to", (int)OnnxType.Float));

    private static double[] Numbers(JsonElement step, string name, int first, int count) =>
        [.. step.GetProperty(name).EnumerateArray().Skip(first).Take(count).Select(static number => number.GetDouble())];
}
