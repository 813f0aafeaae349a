using System.Globalization;

namespace DistributedTrainer.Data;

/// <summary>
/// What tables hold, before it is known whether their target is a class or a number. The first file decides on the
/// columns; the others must have the same, in any order.
/// </summary>
internal sealed class DataTable(string? target, IReadOnlyList<string> textColumns, MissingValues missing, ProblemLog problems)
{
    // Places of columns that are no features.
    private const int IsTarget = -1;
    private const int Ignored = -2;

    private static readonly string[] NoValues = ["", "NA", "N/A", "NaN", "null", "?"];

    // Where the columns are known before the first file is read, others beside them do not matter.
    private bool _isKnown;

    // For each of the file's columns its place among the features, or that it is none.
    private int[] _places = [];
    private TextColumn?[] _texts = [];
    private float[] _row = [];
    private long _dropped;

    /// <summary>Columns other than the target.</summary>
    public string[] FeatureNames { get; private set; } = [];

    public string TargetName { get; private set; } = "";

    /// <summary>Features that are read as text, by column.</summary>
    public Dictionary<int, TextColumn> Texts { get; } = [];

    public TextColumn Target { get; } = new();

    /// <summary>Where the cells go; those of text columns are indices into the column's texts.</summary>
    public CellSink Cells { get; init; } = new();

    /// <summary>Checksum of each file.</summary>
    public List<string> Sha256 { get; } = [];

    /// <summary>Rows that were read and kept.</summary>
    public int Rows { get; private set; }

    public ProblemLog Problems => problems;

    /// <summary>A table of which only these columns are read, wherever they stand.</summary>
    /// <param name="features">In the order in which they are wanted.</param>
    /// <param name="textColumns">Those of them that are read as text.</param>
    /// <param name="target">Null: there is none, or it does not matter.</param>
    /// <param name="missing">What becomes of cells without a value.</param>
    /// <param name="problems">Receives what is wrong.</param>
    public static DataTable OfKnown(IReadOnlyList<string> features, IReadOnlyList<string> textColumns, string? target, MissingValues missing, ProblemLog problems)
    {
        var table = new DataTable(target, textColumns, missing, problems) { FeatureNames = [.. features], TargetName = target ?? "", _isKnown = true };
        foreach (var name in textColumns)
        {
            table.Texts.Add(Array.IndexOf(table.FeatureNames, name), new TextColumn());
        }

        return table;
    }

    public static bool TryNumber(ReadOnlySpan<char> text, out float value) =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value) && float.IsFinite(value);

    public static bool IsMissing(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        foreach (var none in NoValues)
        {
            if (text.Equals(none, StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }

    public static string NoNumber(ReadOnlySpan<char> text, Place place, string column, bool isOfTraining = false) =>
        $"{place}: column {column} holds '{text}', where a finite number belongs{(text.Contains(',') ? " (write a decimal point, not a comma)" : "")}. "
        + (!isOfTraining ? "Correct the value, or remove the column."
            : IsMissing(text) ? "Fill it in, or write data.missing: mean, or drop."
            : $"Correct the value, or remove the column; where it holds categories, write data.preprocess: [ one-hot: [ {column} ] ].");

    /// <summary>Begins a file.</summary>
    /// <param name="source">As it was named.</param>
    /// <param name="columns">Its columns.</param>
    /// <returns>Whether they fit.</returns>
    public bool Begin(string source, string[] columns)
    {
        foreach (var name in columns.CountBy(static name => name).Where(static pair => pair.Value > 1).Select(static pair => pair.Key))
        {
            var same = string.Join(" and ", Enumerable.Range(0, columns.Length).Where(column => columns[column] == name).Select(static column => column + 1));
            problems.Add($"{source}:1: the columns {same} have the same name '{name}'. Give each column a name of its own.");
        }

        if (FeatureNames.Length == 0)
        {
            ChooseColumns(source, columns);
        }
        else
        {
            string[] expected = _isKnown && target is null ? FeatureNames : [.. FeatureNames, TargetName];
            var others = _isKnown ? [] : columns.Except(expected);
            var different = expected.Except(columns).Select(static name => $"lacks '{name}'").Concat(others.Select(static name => $"has '{name}'")).Take(6).ToArray();
            if (different.Length > 0)
            {
                problems.Add(_isKnown
                    ? $"{source}:1: the columns are not those that the model was trained on: this file {string.Join(", ", different)}. Give it the same columns, in any order."
                    : $"{source}:1: the columns are not those of the training file: this one {string.Join(", ", different)}. Give all files the same columns.");
            }
        }

        _places = Array.ConvertAll(columns, name => Array.IndexOf(FeatureNames, name) is >= 0 and var place ? place : _isKnown && name != target ? Ignored : IsTarget);
        _texts = Array.ConvertAll(_places, place => place == IsTarget ? Target : Texts.GetValueOrDefault(place));
        (_row, _dropped) = (new float[FeatureNames.Length], 0);
        return !problems.Any;
    }

    /// <summary>Adds a row; one without a value may be left out.</summary>
    public void Add<TRow>(TRow row)
        where TRow : ITableRow
    {
        if (missing == MissingValues.Drop && HasGap(row))
        {
            _dropped++;
            return;
        }

        for (var column = 0; column < _places.Length; column++)
        {
            var place = _places[column];
            if (place == Ignored)
            {
                continue;
            }

            var value = 0f;
            if (_texts[column] is { } texts)
            {
                // A text without a value is one text, however it is written.
                var text = row.Text(column);
                value = texts.Add(missing == MissingValues.Mean && place >= 0 && IsMissing(text) ? "" : text, row.Place);
            }
            else if (!row.TryNumber(column, out value))
            {
                var text = row.Text(column);
                if (missing == MissingValues.Mean && IsMissing(text))
                {
                    value = float.NaN;
                }
                else
                {
                    problems.Add(NoNumber(text, row.Place, FeatureNames[place], isOfTraining: !_isKnown));
                }
            }

            if (place >= 0)
            {
                _row[place] = value;
            }
        }

        Rows++;
        Cells.Add(_row);
    }

    /// <summary>Ends a file.</summary>
    /// <param name="source">As it was named.</param>
    /// <param name="before">Rows of the table before it.</param>
    public void End(string source, int before)
    {
        if (Rows == before && !problems.Any)
        {
            problems.Add(_dropped > 0
                ? $"{source}: each of its {_dropped} rows lacks a value, and data.missing: drop leaves them out. Write data.missing: mean, or remove columns that are mostly empty."
                : $"{source}: there is a header line but no row under it. Add rows.");
        }

        Cells.EndPart();
    }

    private bool HasGap<TRow>(TRow row)
        where TRow : ITableRow
    {
        for (var column = 0; column < _places.Length; column++)
        {
            if (_places[column] != Ignored && IsMissing(row.Text(column)))
            {
                return true;
            }
        }

        return false;
    }

    private void ChooseColumns(string source, string[] columns)
    {
        var known = $"The columns are {string.Join(", ", columns.Take(12))}{(columns.Length > 12 ? ", …" : "")}.";
        TargetName = target ?? columns[^1];
        FeatureNames = [.. columns.Where(name => name != TargetName)];
        if (!columns.Contains(TargetName))
        {
            problems.Add($"{source}: data.target names the column '{target}', which does not exist. {known}");
        }
        else if (columns.Length < 2)
        {
            problems.Add($"{source}: there is only the column '{columns[0]}'. A table needs at least one feature and a target; is the separator a comma, semicolon or tab? Another one is named by data.separator.");
        }

        foreach (var name in textColumns.Distinct())
        {
            var column = Array.IndexOf(FeatureNames, name);
            if (column >= 0)
            {
                Texts.Add(column, new TextColumn());
            }
            else
            {
                problems.Add(name == TargetName
                    ? $"{source}: one-hot names the column '{name}', which is the target. Name features only; the classes are numbered without it."
                    : $"{source}: one-hot names the column '{name}', which does not exist. {known}");
            }
        }
    }
}
