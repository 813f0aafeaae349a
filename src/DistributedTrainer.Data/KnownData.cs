using System.Globalization;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>Reads data for a model that is trained already: its columns and classes are known, and are what the model says.</summary>
public static class KnownData
{
    /// <summary>Reads rows with the columns that the preprocessing was fitted on, in any order; other columns do not matter.</summary>
    /// <param name="source">An embedded name, the path of a CSV or Parquet file, or of a folder with IDX files or images.</param>
    /// <param name="preprocessor">Knows the columns.</param>
    /// <param name="target">The target's column; null: there is none, or it is not needed. Labels and values are then 0.</param>
    /// <param name="classes">The model's classes in their order; empty: the target is a number.</param>
    /// <param name="baseDirectory">Where relative paths start.</param>
    /// <param name="problems">Receives what is wrong: missing columns, classes that the model does not know, values that are no numbers.</param>
    /// <param name="format">How text files are read; null: as usual.</param>
    /// <returns>Null where anything is wrong.</returns>
    public static Dataset? Read(
        string source, Preprocessor preprocessor, string? target, IReadOnlyList<string> classes, string baseDirectory, ICollection<string> problems, TableFormat? format = null)
    {
        var log = new ProblemLog(problems);
        var isFolder = !DatasetReader.EmbeddedNames.Contains(source) && Directory.Exists(Path.Combine(baseDirectory, source));
        var dataset = isFolder ? ReadFolder(source, preprocessor, classes, baseDirectory, problems) : ReadTable(source, preprocessor, target, classes, baseDirectory, format ?? new TableFormat(), log);
        return dataset is null ? null : dataset with { InputShape = preprocessor.InputShape };
    }

    /// <summary>Preprocesses some rows.</summary>
    /// <exception cref="InvalidDataException">The data has other columns, or a value leaves the range of float32.</exception>
    public static Subset Prepare(Dataset dataset, int[] rows, Preprocessor preprocessor) => new(dataset, rows, preprocessor, bytes: null);

    private static Dataset? ReadTable(
        string source, Preprocessor preprocessor, string? target, IReadOnlyList<string> classes, string baseDirectory, TableFormat format, ProblemLog log)
    {
        var table = DataTable.OfKnown(preprocessor.InputNames, [.. preprocessor.TextColumns], target, preprocessor.FillsMissing ? MissingValues.Mean : MissingValues.Error, log);
        DatasetReader.ReadTable(source, baseDirectory, format, table);
        if (log.Any)
        {
            return null;
        }

        var features = new FeatureTable(table.FeatureNames.Length, [.. table.Cells.Parts]);
        var texts = table.Target.Texts;
        var numbers = target is not null && classes.Count > 0 ? Categories.Find([.. classes], texts) : [];
        var values = new float[texts.Count];
        for (var code = 0; code < texts.Count; code++)
        {
            if (classes.Count == 0 && !DataTable.TryNumber(texts[code], out values[code]))
            {
                log.Add(DataTable.NoNumber(texts[code], table.Target.Places[code], table.TargetName));
            }
            else if (classes.Count > 0 && numbers[code] < 0)
            {
                log.Add($"{table.Target.Places[code]}: column {table.TargetName} holds '{texts[code]}', which the model does not know. Its classes are {Some(classes)}.");
            }
        }

        return log.Any ? null : new Dataset
        {
            Name = source,
            FeatureNames = table.FeatureNames,
            TargetName = table.TargetName,
            Features = features,
            Texts = table.Texts.ToDictionary(static pair => pair.Key, static pair => (IReadOnlyList<string>)pair.Value.Texts),
            Task = classes.Count > 0 ? DataTask.Classification : DataTask.Regression,
            Labels = classes.Count == 0 ? [] : target is null ? new int[features.Rows] : [.. table.Target.Codes.Select(code => numbers[code])],
            Values = classes.Count > 0 ? [] : target is null ? new float[features.Rows] : [.. table.Target.Codes.Select(code => values[code])],
            ClassNames = classes,
            Sha256 = table.Sha256[0],
        };
    }

    private static Dataset? ReadFolder(string source, Preprocessor preprocessor, IReadOnlyList<string> classes, string baseDirectory, ICollection<string> problems)
    {
        var task = classes.Count > 0 ? DataTask.Classification : DataTask.Regression;
        var dataset = DatasetReader.Read(new DataSources(source) { Task = task, Image = Sizes(preprocessor.InputShape) }, baseDirectory, problems);
        if (dataset is null)
        {
            return null;
        }

        if (!dataset.FeatureNames.SequenceEqual(preprocessor.InputNames))
        {
            problems.Add($"{source}: images of shape {dataset.InputShape} are not what the model was trained on, {preprocessor.InputNames.Count.ToString(CultureInfo.InvariantCulture)} columns from {preprocessor.InputNames[0]} on.");
            return null;
        }

        if (task == DataTask.Regression)
        {
            return dataset;
        }

        var numbers = Categories.Find([.. classes], dataset.ClassNames);
        if (Array.IndexOf(numbers, -1) is >= 0 and var unknown)
        {
            problems.Add($"{source}: the label {dataset.ClassNames[unknown]} is not known to the model. Its classes are {Some(classes)}.");
            return null;
        }

        return dataset with { Labels = Array.ConvertAll(dataset.Labels, label => numbers[label]), ClassNames = classes };
    }

    private static (int, int, int)? Sizes(Shape shape) => shape.Rank == 3 ? (shape[0], shape[1], shape[2]) : null;

    private static string Some(IReadOnlyList<string> classes) => string.Join(", ", classes.Take(12)) + (classes.Count > 12 ? ", …" : "");
}
