using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Checkpoints;
using DistributedTrainer.Cluster.Hosting;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Experiments;

namespace DistributedTrainer;

/// <summary>
/// Trains an experiment: with the workers that it names as threads of this process, or on a cluster that is there already. The same
/// experiment, data and seed give the same bits as <c>dtrain train</c>, whatever the number of workers.
/// <code>
/// var trainer = Trainer.FromFile("digits.yaml", "training.epochs=5");
/// trainer.EvaluationCompleted += (_, e) =&gt; Console.WriteLine($"{e.Epoch}: {e.ValidationAccuracy:P1}");
/// TrainingResult result = await trainer.RunAsync(cancellationToken);
/// int[] classes = result.Model.PredictClasses(features);
/// </code>
/// </summary>
public sealed class Trainer
{
    private readonly bool _resumes;
    private int _isRunning;

    /// <summary>Trains an experiment that is built in C#.</summary>
    /// <param name="experiment">What is trained.</param>
    public Trainer(Experiment experiment)
        : this(experiment, Directory.GetCurrentDirectory(), resumes: false)
    {
        ArgumentNullException.ThrowIfNull(experiment);
    }

    private Trainer(Experiment experiment, string baseDirectory, bool resumes) => (Experiment, BaseDirectory, _resumes) = (experiment, baseDirectory, resumes);

    /// <summary>The folder was made, and training begins.</summary>
    public event EventHandler<RunStarted>? Started;

    /// <summary>A step was applied. Events come from other threads, one after the other; an exception of a handler ends the run.</summary>
    public event EventHandler<StepCompleted>? StepCompleted;

    /// <summary>The parameters were evaluated.</summary>
    public event EventHandler<EvaluationCompleted>? EvaluationCompleted;

    /// <summary>A node came or went.</summary>
    public event EventHandler<NodeChanged>? NodeChanged;

    /// <summary>There is something that a person wants to know.</summary>
    public event EventHandler<RunNotice>? Noticed;

    /// <summary>What is trained.</summary>
    public Experiment Experiment { get; }

    /// <summary>Where relative paths of the experiment start. Default: the file's folder, or the current one.</summary>
    public string BaseDirectory { get; init; }

    /// <summary>Rows in memory, which take the place of the experiment's <c>data.source</c>: see <see cref="MemoryData"/>. Default: null, the experiment's own.</summary>
    public Dataset? Data { get; init; }

    /// <summary>The run's folder. Default: null, runs/NAME-TIMESTAMP.</summary>
    public string? RunDirectory { get; init; }

    /// <summary>host:port of a node of a cluster that trains the experiment; its nodes need the same extensions. Default: null, threads of this process.</summary>
    public string? ClusterAddress { get; init; }

    /// <summary>The address that nodes of <see cref="ClusterAddress"/> reach this process under. Default: null, the one that leads there.</summary>
    public string? Host { get; init; }

    /// <summary>Where <see cref="ClusterAddress"/> is encrypted: the folder of ca.crt, node.crt and node.key. Default: null, it is not.</summary>
    public string? TlsDirectory { get; init; }

    /// <summary>Reads an experiment.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="overrides">key=value each, such as <c>training.epochs=5</c>; later ones win.</param>
    /// <exception cref="InvalidExperimentException">It is wrong; names all problems.</exception>
    public static Trainer FromYaml(string yaml, params string[] overrides)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        return new Trainer(Read(yaml, "experiment.yaml", overrides));
    }

    /// <summary>Reads an experiment file.</summary>
    /// <param name="path">The file; relative paths in it start in its folder.</param>
    /// <param name="overrides">As above.</param>
    /// <exception cref="InvalidExperimentException">It is wrong; names all problems.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Trainer FromFile(string path, params string[] overrides)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return new Trainer(Read(File.ReadAllText(path), Path.GetFileName(path), overrides), Path.GetDirectoryName(Path.GetFullPath(path))!, resumes: false);
    }

    /// <summary>
    /// Goes on with a run that was cancelled, or ended in any other way, from its newest whole checkpoint: the result is that of a run
    /// that was never interrupted.
    /// </summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="overrides">As above: of <c>cluster</c> and <c>checkpoint</c>, and others that <c>dtrain resume</c> takes.</param>
    /// <exception cref="InvalidExperimentException">It is wrong; names all problems.</exception>
    /// <exception cref="IOException">There is no run in the folder, or it cannot be read.</exception>
    public static Trainer Resume(string runDirectory, params string[] overrides) => Resume(runDirectory, null, overrides);

    /// <summary>The same for a run whose rows were in memory: they are to be given again.</summary>
    /// <param name="runDirectory">The run's folder.</param>
    /// <param name="data">The same rows; null: they are in files.</param>
    /// <param name="overrides">As above.</param>
    /// <exception cref="InvalidExperimentException">It is wrong; names all problems.</exception>
    /// <exception cref="IOException">There is no run in the folder, or it cannot be read.</exception>
    public static Trainer Resume(string runDirectory, Dataset? data, params string[] overrides)
    {
        ArgumentException.ThrowIfNullOrEmpty(runDirectory);
        var path = Path.GetFullPath(runDirectory);
        return new Trainer(Read(File.ReadAllText(Path.Combine(path, "experiment.yaml")), "experiment.yaml", overrides), path, resumes: true) { RunDirectory = path, Data = data };
    }

    /// <summary>
    /// Trains, and returns when it is over. On cancellation a checkpoint is written first. Several trainers may run at once; one of them
    /// runs once at a time.
    /// </summary>
    /// <param name="cancellationToken">Ends the run in good order.</param>
    /// <exception cref="InvalidExperimentException">The experiment or its data is not possible; names all problems.</exception>
    /// <exception cref="TrainingFailedException">The run ended without its result; says why.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; a <see cref="TrainingCanceledException"/> where it had begun.</exception>
    /// <exception cref="ArgumentException">The cluster's address or the certificates cannot be used; says why.</exception>
    /// <exception cref="InvalidOperationException">It is running already.</exception>
    public async Task<TrainingResult> RunAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Data is not null && ClusterAddress is not null)
        {
            throw new ArgumentException("trainer: rows in the memory of this process cannot be given to a cluster elsewhere. Write them to a file that its coordinator reads, or train in this process.");
        }

        if (Interlocked.Exchange(ref _isRunning, 1) == 1)
        {
            throw new InvalidOperationException("trainer: it is running already. Make another one for another run.");
        }

        try
        {
            using var lent = Data is null ? null : MemoryData.Lend(Data);
            var experiment = lent is null ? Experiment : Experiment with { Data = Experiment.Data with { Source = lent.Source } };
            experiment = await Task.Run(() => Check(experiment), cancellationToken).ConfigureAwait(false);
            var cluster = ClusterAddress is { } address
                ? await TrainerCluster.JoinAsync(address, Host, TlsDirectory is null ? null : NodeCertificates.Load(TlsDirectory), cancellationToken).ConfigureAwait(false)
                : await TrainerCluster.StartAsync(experiment.Cluster.Workers, cancellationToken).ConfigureAwait(false);
            await using (cluster.ConfigureAwait(false))
            {
                var submission = new Protocol.Submissions.Submit(
                    ExperimentWriter.Write(experiment),
                    $"{experiment.Name}.yaml",
                    BaseDirectory,
                    RunDirectory is null ? null : Path.GetFullPath(RunDirectory),
                    EndCluster: ClusterAddress is null,
                    _resumes);
                var course = new RunCourse(cluster.Node, this, _resumes ? RunCheckpoints.NewestStep(RunDirectory!) ?? 0 : 0);
                return await course.FollowAsync(submission, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            Volatile.Write(ref _isRunning, 0);
        }
    }

    internal void Tell(RunStarted started) => Started?.Invoke(this, started);

    internal void Tell(StepCompleted step) => StepCompleted?.Invoke(this, step);

    internal void Tell(EvaluationCompleted evaluation) => EvaluationCompleted?.Invoke(this, evaluation);

    internal void Tell(NodeChanged change) => NodeChanged?.Invoke(this, change);

    internal void Tell(RunNotice notice) => Noticed?.Invoke(this, notice);

    private static Experiment Read(string yaml, string fileName, string[] overrides)
    {
        var read = ExperimentReader.Read(yaml, fileName, overrides);
        return read.Experiment ?? throw new InvalidExperimentException([.. read.Problems.Select(static problem => problem.ToString())]);
    }

    /// <summary>A mistake must not cost a cluster.</summary>
    private Experiment Check(Experiment experiment)
    {
        var warnings = new List<string>();
        var problems = ExperimentCheck.Check(
            ExperimentWriter.Write(experiment), experiment.Name, BaseDirectory, [], out var read, ClusterAddress is null ? LocalMemory.OneProcess : LocalMemory.Elsewhere, warnings);
        foreach (var warning in warnings)
        {
            Tell(new RunNotice($"Warning: {warning}"));
        }

        return problems.Count == 0 ? read! : throw new InvalidExperimentException(problems);
    }
}
