using System.CommandLine;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary>What train and submit have in common: the experiment, overrides, where and how to show results.</summary>
internal sealed class ExperimentArguments
{
    public Option<string[]> Set { get; } = new("--set")
    {
        Description = "Sets a key of the experiment, such as --set training.epochs=5. May be repeated.",
        HelpName = "key=value",
        DefaultValueFactory = static _ => [],
    };

    public Option<string?> RunDirectory { get; } = new("--run-dir") { Description = "The run's folder. Default: runs/NAME-TIMESTAMP.", HelpName = "DIR" };

    public Option<bool> Json { get; } = new("--json") { Description = "Prints the result as JSON, and nothing else, on standard output." };

    public Option<bool> Plain { get; } = new("--plain") { Description = "Plain lines instead of a live table (the default when the output is no terminal)." };

    public void AddTo(Command command)
    {
        command.Options.Add(Set);
        command.Options.Add(RunDirectory);
        command.Options.Add(Json);
        command.Options.Add(Plain);
    }

    /// <summary>Reads and checks the experiment; null: it is wrong, and standard error says why.</summary>
    public static (Experiment Experiment, string BaseDirectory)? Load(string? file, string[] overrides)
    {
        string yaml;
        try
        {
            yaml = file is null ? DefaultExperiment.Yaml : File.ReadAllText(file);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"{file}: the experiment file cannot be read: {problem.Message}");
            return null;
        }

        var name = file is null ? DefaultExperiment.FileName : Path.GetFileName(file);
        var baseDirectory = Path.GetDirectoryName(Path.GetFullPath(file ?? "."))!;
        baseDirectory = file is null ? Directory.GetCurrentDirectory() : baseDirectory;
        var problems = ExperimentCheck.Check(yaml, name, baseDirectory, overrides, out var experiment);
        foreach (var problem in problems)
        {
            Console.Error.WriteLine(problem);
        }

        return problems.Count == 0 ? (experiment!, baseDirectory) : null;
    }

    public static Submissions.Submit Submission(Experiment experiment, string baseDirectory, string? runDirectory, bool endCluster) =>
        new(
            ExperimentWriter.Write(experiment),
            experiment.Name + ".yaml",
            baseDirectory,
            runDirectory is null ? null : Path.GetFullPath(runDirectory),
            endCluster);
}
