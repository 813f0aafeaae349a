namespace DistributedTrainer.Experiments;

/// <summary>The experiment that is trained when none is given.</summary>
public static class DefaultExperiment
{
    /// <summary>Its name as a file.</summary>
    public const string FileName = "digits.yaml";

    /// <summary>Its text.</summary>
    public static string Yaml { get; } = Load();

    private static string Load()
    {
        using var reader = new StreamReader(typeof(DefaultExperiment).Assembly.GetManifestResourceStream(FileName)!);
        return reader.ReadToEnd();
    }
}
