using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Metrics;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>
/// A network that is trained and used in one process, on one thread, without a cluster:
/// <code>
/// var network = Network.Create(features: 2, seed: 1, new LinearDefinition(16), new ActivationDefinition(Activation.Tanh), new LinearDefinition(2));
/// network.Fit(features, labels, new FitOptions { Epochs = 200, LearningRate = 0.01 });
/// int[] classes = network.PredictClasses(features);
/// </code>
/// <para>
/// The same definition, data, options and seed give the same bits, on every machine; another number of
/// <see cref="FitOptions.Leaves"/> may give others, nothing else does. Not for use by several threads at once.
/// </para>
/// </summary>
public sealed class Network
{
    // Bounds the activations while predicting; rows are independent there, so it changes no bit.
    private const int PredictionRows = 64;

    private static readonly Loss Logistic = new LogisticLoss();
    private static readonly Loss CrossEntropy = new CrossEntropyLoss();
    private static readonly Loss MeanSquaredError = new MeanSquaredErrorLoss();

    private Workspace _workspace;
    private Loss? _fitted;
    private bool _isFitting;

    private Network(ModelDefinition definition, Model model, ulong seed, Loss? fitted)
    {
        (Definition, Model, Seed, _fitted) = (definition, model, seed, fitted);
        _workspace = Model.CreateWorkspace(fitted ?? DefaultFor(LossTargets.Classes), PredictionRows);
    }

    /// <summary>Input, layers, and how weights start.</summary>
    public ModelDefinition Definition { get; }

    /// <summary>The model's form: names, shapes and places of its parameters.</summary>
    public Model Model { get; }

    /// <summary>What initial weights, orders of rows and dropout masks follow from.</summary>
    public ulong Seed { get; }

    /// <summary>The loss of the last fit; null before.</summary>
    public Loss? Loss => _fitted;

    /// <summary>The flat parameter vector, laid out as <see cref="Model.Layout"/> says; it may be written to.</summary>
    public Span<float> Parameters => _workspace.Parameters;

    /// <summary>The running statistics of batch normalisation, laid out as <see cref="Model.Buffers"/> says; they may be written to.</summary>
    public Span<float> Buffers => _workspace.Buffers;

    /// <summary>A network for flat rows; weights start as <see cref="InitialWeightsKind.He"/>.</summary>
    /// <param name="features">Numbers of a row, at least 1.</param>
    /// <param name="seed">The same seed gives the same network.</param>
    /// <param name="layers">In order; the last one's outputs are the scores of the classes, or the values. One output stands for two classes.</param>
    /// <exception cref="ArgumentException">A layer does not fit the one before it; names the layer.</exception>
    public static Network Create(int features, ulong seed, params LayerDefinition[] layers) => Create(new Shape(features), seed, layers);

    /// <summary>A network for rows of a shape, such as images (channels, height, width); weights start as <see cref="InitialWeightsKind.He"/>.</summary>
    /// <param name="input">Shape of a row.</param>
    /// <param name="seed">The same seed gives the same network.</param>
    /// <param name="layers">In order.</param>
    /// <exception cref="ArgumentException">A layer does not fit the one before it; names the layer.</exception>
    public static Network Create(Shape input, ulong seed, params LayerDefinition[] layers) =>
        Create(input, seed, new InitialWeights(InitialWeightsKind.He), layers);

    /// <summary>A network whose weights start in another way.</summary>
    /// <param name="input">Shape of a row.</param>
    /// <param name="seed">The same seed gives the same network.</param>
    /// <param name="weights">How weights start.</param>
    /// <param name="layers">In order.</param>
    /// <exception cref="ArgumentException">A layer does not fit the one before it; names the layer.</exception>
    public static Network Create(Shape input, ulong seed, InitialWeights weights, params LayerDefinition[] layers)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(layers);
        var definition = new ModelDefinition(input, [.. layers], weights);
        var network = new Network(definition, FormOf(definition), seed, fitted: null);
        network.Model.Initialize(network.Parameters, network.Buffers, seed);
        return network;
    }

    /// <summary>Trains on rows with classes.</summary>
    /// <param name="features">(rows, features), row after row.</param>
    /// <param name="labels">Class numbers from 0 (rows).</param>
    /// <param name="options">Null: all defaults.</param>
    /// <inheritdoc cref="Fit(Examples, FitOptions?)" path="/exception"/>
    public FitResult Fit(ReadOnlyMemory<float> features, ReadOnlyMemory<int> labels, FitOptions? options = null) => Fit(new Examples(features, labels), options);

    /// <summary>Trains on rows with values.</summary>
    /// <param name="features">(rows, features), row after row.</param>
    /// <param name="targets">(rows, outputs), row after row.</param>
    /// <param name="options">Null: all defaults.</param>
    /// <inheritdoc cref="Fit(Examples, FitOptions?)" path="/exception"/>
    public FitResult Fit(ReadOnlyMemory<float> features, ReadOnlyMemory<float> targets, FitOptions? options = null) => Fit(new Examples(features, targets), options);

    /// <summary>
    /// Trains from the weights that are there; the optimizer and the numbering of epochs and steps start anew. A fit that
    /// ends with an exception leaves the weights of its last whole step.
    /// </summary>
    /// <param name="training">The rows.</param>
    /// <param name="options">Null: all defaults.</param>
    /// <exception cref="ArgumentException">Rows, loss or options do not fit; names all that is wrong.</exception>
    /// <exception cref="NotFiniteNumberException">A loss, or an output for a validation row, is NaN or infinite.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="InvalidOperationException">The network is being fitted already.</exception>
    public FitResult Fit(Examples training, FitOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(training);
        if (_isFitting)
        {
            throw new InvalidOperationException("fit: the network is being fitted already. Read it in OnEpoch, and fit it afterwards.");
        }

        options ??= new FitOptions();
        var loss = options.Loss ?? DefaultFor(training.Kind);
        var (rows, problems) = (training.RowsFor(Model), new List<string>());
        training.FindProblems("training", Model, loss, problems);
        options.Validation?.FindProblems("validation", Model, loss, problems);
        options.FindProblems(Model, rows, problems);
        Refuse(problems);

        _workspace = WorkspaceFor(loss, Math.Max(PredictionRows, Math.Min(rows, options.BatchSize)));
        _fitted = loss;
        _isFitting = true;
        try
        {
            return new Fitting(Model, _workspace, training, options, Seed).Run();
        }
        finally
        {
            _isFitting = false;
        }
    }

    /// <summary>The outputs (rows, outputs), row after row: scores or values, as the last layer gives them.</summary>
    /// <param name="features">(rows, features), row after row.</param>
    /// <exception cref="ArgumentException">No whole rows, or a number that is not finite.</exception>
    public float[] Predict(ReadOnlySpan<float> features)
    {
        var problems = new List<string>();
        Examples.FindProblems("prediction", Model, features, problems);
        Refuse(problems);
        return Evaluating.Predict(_workspace, features);
    }

    /// <summary>The class of each row: the one with the highest score, the first of equals; with one output 1 where it is above 0, else 0.</summary>
    /// <param name="features">(rows, features), row after row.</param>
    /// <exception cref="ArgumentException">No whole rows, or a number that is not finite.</exception>
    /// <exception cref="InvalidOperationException">The network was fitted to values, which have no classes.</exception>
    public int[] PredictClasses(ReadOnlySpan<float> features)
    {
        var (scores, outputs, loss) = (Predict(features), Model.Output.Elements, _fitted ?? DefaultFor(LossTargets.Classes));
        var classes = new int[scores.Length / outputs];
        for (var row = 0; row < classes.Length; row++)
        {
            classes[row] = loss.Predict(scores.AsSpan(row * outputs, outputs));
        }

        return classes;
    }

    /// <summary>The probability of each class (rows, classes): softmax of the outputs; 1 − σ(z) and σ(z) where there is one output.</summary>
    /// <param name="features">(rows, features), row after row.</param>
    /// <exception cref="ArgumentException">No whole rows, or a number that is not finite.</exception>
    /// <exception cref="InvalidOperationException">The network was fitted to values, which have no classes.</exception>
    public float[] PredictProbabilities(ReadOnlySpan<float> features) => _fitted is RegressionLoss
        ? throw new InvalidOperationException($"{_fitted.Name}: its targets are values, so its outputs are no probabilities.")
        : Evaluating.Probabilities(Predict(features), Model.Output.Elements);

    /// <summary>Loss and metrics on rows with classes.</summary>
    /// <inheritdoc cref="Evaluate(Examples, Loss?)"/>
    public Evaluation Evaluate(ReadOnlyMemory<float> features, ReadOnlyMemory<int> labels, Loss? loss = null) => Evaluate(new Examples(features, labels), loss);

    /// <summary>Loss and metrics on rows with values.</summary>
    /// <inheritdoc cref="Evaluate(Examples, Loss?)"/>
    public Evaluation Evaluate(ReadOnlyMemory<float> features, ReadOnlyMemory<float> targets, Loss? loss = null) => Evaluate(new Examples(features, targets), loss);

    /// <summary>Loss and metrics, with running statistics and without dropout.</summary>
    /// <param name="examples">The rows.</param>
    /// <param name="loss">Null: that of the last fit; the default for the kind of target where that does not fit.</param>
    /// <exception cref="ArgumentException">Rows or loss do not fit; names all that is wrong.</exception>
    /// <exception cref="NotFiniteNumberException">An output is NaN or infinite.</exception>
    public Evaluation Evaluate(Examples examples, Loss? loss = null)
    {
        ArgumentNullException.ThrowIfNull(examples);
        loss ??= LossFor(examples.Kind);
        var problems = new List<string>();
        examples.FindProblems("evaluation", Model, loss, problems);
        Refuse(problems);
        return Evaluating.Run(WorkspaceFor(loss, 1), examples);
    }

    /// <summary>
    /// Writes the network as safetensors, with tensors named and shaped as in the state_dict of the equal nn.Sequential
    /// of PyTorch, and the definition in the metadata: nothing else is needed to load it. A file that is there is replaced
    /// when the new one is whole.
    /// </summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path) => NetworkFile.Write(path, this);

    /// <summary>Reads a network that <see cref="Save"/> wrote.</summary>
    /// <exception cref="InvalidDataException">Not such a file, or of another version, or damaged; names what does not fit.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Network Load(string path)
    {
        var (definition, seed, loss, tensors) = NetworkFile.Read(path);
        try
        {
            // The tensors are compared before room is made: layers of any size are quickly written down.
            var model = FormOf(definition);
            var values = NetworkFile.Match(model, tensors);
            var network = new Network(definition, model, seed, loss);
            foreach (var (slot, value) in model.Layout.Slots.Zip(values))
            {
                value.Span.CopyTo(network.Parameters[slot.Offset..]);
            }

            foreach (var (slot, value) in model.Buffers.Slots.Zip(values.Skip(model.Layout.Slots.Count)))
            {
                value.Span.CopyTo(network.Buffers[slot.Offset..]);
            }

            return network;
        }
        catch (Exception problem) when (problem is ArgumentException or OverflowException or InvalidDataException)
        {
            throw new InvalidDataException($"{path}: {problem.Message}", problem);
        }
    }

    /// <summary>The loss of the last fit where it is for such targets, else the default.</summary>
    internal Loss LossFor(LossTargets targets) => _fitted is { } fitted && fitted.Targets == targets ? fitted : DefaultFor(targets);

    /// <summary>The network's own workspace where it has the loss and the rows, else one with a copy of the weights.</summary>
    internal Workspace WorkspaceFor(Loss loss, int rows)
    {
        if (_workspace.Loss == loss && _workspace.MaximumRows >= rows)
        {
            return _workspace;
        }

        var other = Model.CreateWorkspace(loss, Math.Max(rows, PredictionRows));
        _workspace.Parameters.CopyTo(other.Parameters);
        _workspace.Buffers.CopyTo(other.Buffers);
        return other;
    }

    internal static void Refuse(List<string> problems)
    {
        if (problems.Count > 0)
        {
            throw new ArgumentException(string.Join(Environment.NewLine, problems));
        }
    }

    private static Model FormOf(ModelDefinition definition) => definition.Layers.Count > 0 && definition.Input.Elements > 0
        ? new Model(definition)
        : throw new ArgumentException($"network: {definition.Layers.Count} layers on rows of shape {definition.Input}; there must be at least one layer and one number a row.");

    private Loss DefaultFor(LossTargets targets) =>
        targets == LossTargets.Values ? MeanSquaredError : Model.Output.Elements == 1 ? Logistic : CrossEntropy;
}
