using System.CommandLine;
using DistributedTrainer.Cli.Views;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Commands;

/// <summary>What train and submit have in common: the experiment, overrides, where and how to show results.</summary>
internal sealed class ExperimentArguments
{
    public Option<string[]> Set { get; } = new("--set")
    {
        CompletionSources = { CompletionCommand.Keys(ExperimentKeys.All) },
        Description = "Sets a key of the experiment, such as --set training.epochs=5. May be repeated.",
        HelpName = "key=value",
        DefaultValueFactory = static _ => [],
    };

    public Option<string?> RunDirectory { get; } = new("--run-dir") { Description = "The run's folder. Default: runs/NAME-TIMESTAMP.", HelpName = "DIR" };

    public Option<bool> Json { get; } = new("--json") { Description = "Prints the result as JSON, and nothing else, on standard output." };

    public Option<bool> Plain { get; } = new("--plain") { Description = "Plain lines instead of a live table (the default when the output is no terminal)." };

    public Option<bool> Quiet { get; } = new("--quiet") { Description = "Nothing but the result at the end, and what goes wrong; the rest is in the run folder's log.txt." };

    public void AddTo(Command command)
    {
        command.Options.Add(Set);
        command.Options.Add(RunDirectory);
        command.Options.Add(Json);
        command.Options.Add(Plain);
        command.Options.Add(Quiet);
    }

    /// <summary>How the run is to be shown.</summary>
    public ViewOptions Views(ParseResult parsed) => new(parsed.GetValue(Json), parsed.GetValue(Plain), parsed.GetValue(Quiet));

    /// <summary>Where the nodes of a run on this machine are.</summary>
    public static LocalMemory Machine(bool inProcess) => inProcess ? LocalMemory.OneProcess : LocalMemory.OneMachine;

    /// <summary>Reads and checks the experiment; null: it is wrong, and standard error says why.</summary>
    /// <param name="file">The file; null: the embedded experiment.</param>
    /// <param name="overrides">Of --set.</param>
    /// <param name="machine">Where its nodes are to be.</param>
    /// <param name="threads">Of each worker.</param>
    public static (Experiment Experiment, string BaseDirectory)? Load(string? file, string[] overrides, LocalMemory machine = LocalMemory.Elsewhere, int threads = 1)
    {
        if (ExperimentText.Read(file) is not { } text)
        {
            return null;
        }

        var warnings = new List<string>();
        var problems = ExperimentCheck.Check(text.Yaml, text.FileName, text.BaseDirectory, overrides, out var experiment, machine, warnings, threads);
        warnings.ForEach(static warning => Console.Error.WriteLine($"Warning: {warning}"));
        return Problems.Print(problems) ? null : (experiment!, text.BaseDirectory);
    }

    public static Submissions.Submit Submission(Experiment experiment, string baseDirectory, string? runDirectory, bool endCluster, bool resume = false) =>
        new(
            ExperimentWriter.Write(experiment),
            experiment.Name + ".yaml",
            baseDirectory,
            runDirectory is null ? null : Path.GetFullPath(runDirectory),
            endCluster,
            resume);
}

/// <summary>An experiment file as it is.</summary>
/// <param name="Yaml">Its text.</param>
/// <param name="FileName">Named in problems.</param>
/// <param name="BaseDirectory">Where relative paths in it start.</param>
internal sealed record ExperimentText(string Yaml, string FileName, string BaseDirectory)
{
    /// <summary>Reads the file, or standard input where it is -; without one: the embedded experiment. Null: it cannot be read, and standard error says why.</summary>
    public static ExperimentText? Read(string? file)
    {
        if (file is null)
        {
            return new ExperimentText(DefaultExperiment.Yaml, DefaultExperiment.FileName, Directory.GetCurrentDirectory());
        }

        if (file == "-")
        {
            return new ExperimentText(Console.In.ReadToEnd(), "standard input", Directory.GetCurrentDirectory());
        }

        if (Path.Combine(file, "experiment.yaml") is var begun && File.Exists(begun))
        {
            Console.Error.WriteLine($"{file} is the folder of a run. dtrain resume {file} goes on with it, dtrain train {begun} begins another one like it.");
            return null;
        }

        if (IsData(file))
        {
            Console.Error.WriteLine($"{file} holds data; what is trained stands in an experiment file, which names it: data: {{ source: {Path.GetFileName(Path.TrimEndingDirectorySeparator(file))}, target: COLUMN }}. dtrain inspect {file} shows what is in it, docs/tutorial.md how to write the file.");
            return null;
        }

        try
        {
            return new ExperimentText(File.ReadAllText(file), Path.GetFileName(file), Path.GetDirectoryName(Path.GetFullPath(file))!);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"{file}: the experiment file cannot be read: {problem.Message}");
            return null;
        }
    }

    private static bool IsData(string file) =>
        Directory.Exists(file) || (File.Exists(file) && Path.GetExtension(file).ToLowerInvariant() is ".csv" or ".tsv" or ".parquet" or ".gz" or ".idx" or ".png" or ".jpg" or ".jpeg");
}

/// <summary>What is wrong with what the user gave.</summary>
internal static class Problems
{
    /// <summary>Prints them on standard error; true: there are some.</summary>
    public static bool Print(IReadOnlyCollection<string> problems)
    {
        foreach (var problem in problems)
        {
            Console.Error.WriteLine(problem);
        }

        return problems.Count > 0;
    }
}
