using System.Text.Json;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cli.Exporting;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Data;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace DistributedTrainer.Cli.Tests.Exporting;

/// <summary>Models of every layer, activation and step of preprocessing: ONNX Runtime says what predict says.</summary>
public sealed class OnnxExportTests : IDisposable
{
    private const double Tolerance = 1e-5;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("export-tests-");

    public void Dispose() => _folder.Delete(recursive: true);

    public static TheoryData<string, LayerDefinition> Flat
    {
        get
        {
            var data = new TheoryData<string, LayerDefinition>
            {
                { "linear: { outputs: 5, bias: false }", new LinearDefinition(5, Bias: false) },
                { "batch-norm: { epsilon: 0.01 }", new BatchNormDefinition(Epsilon: 0.01f) },
                { "layer-norm: { epsilon: 0.001 }", new LayerNormDefinition(0.001f) },
                { "dropout: 0.5", new DropoutDefinition(0.5f) },
                { "leaky-relu: { slope: 0.2 }", new ActivationDefinition(Activation.LeakyRelu, Slope: 0.2f) },
                { "elu: { alpha: 0.7 }", new ActivationDefinition(Activation.Elu, Alpha: 0.7f) },
                { "residual: { layers: [ linear: 6, tanh, linear: 8 ] }", new ResidualDefinition([new LinearDefinition(6), new ActivationDefinition(Activation.Tanh), new LinearDefinition(8)]) },
                {
                    "residual: { layers: [ linear: 7 ], shortcut: [ linear: { outputs: 7, bias: false } ] }",
                    new ResidualDefinition([new LinearDefinition(7)], [new LinearDefinition(7, Bias: false)])
                },
            };
            foreach (var function in Enum.GetValues<Activation>().Except([Activation.LeakyRelu, Activation.Elu]))
            {
                data.Add(JsonNamingPolicy.KebabCaseLower.ConvertName(function.ToString()), new ActivationDefinition(function));
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Flat))]
    public void Layers_on_flat_rows_agree(string yaml, LayerDefinition layer) =>
        Agrees("iris", "standardize", "cross-entropy", $"linear: 8, {yaml}, linear: 3", new LinearDefinition(8), layer, new LinearDefinition(3));

    public static TheoryData<string, LayerDefinition[]> Images => new()
    {
        { "conv2d: { outputs: 3, kernel: 3 }", [new Conv2dDefinition(3, 3)] },
        { "conv2d: { outputs: 2, kernel: 3, stride: 2, padding: 1, bias: false }", [new Conv2dDefinition(2, 3, 2, 1, Bias: false)] },
        { "max-pool2d: 2", [new MaxPool2dDefinition(2)] },
        { "max-pool2d: { kernel: 3, stride: 2 }", [new MaxPool2dDefinition(3, 2)] },
        { "avg-pool2d: { kernel: 3, stride: 1 }", [new AvgPool2dDefinition(3, 1)] },
        { "conv2d: { outputs: 4, kernel: 3 }, batch-norm, relu, max-pool2d: 2", [new Conv2dDefinition(4, 3), new BatchNormDefinition(), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2)] },
        { "conv2d: { outputs: 4, kernel: 3 }, global-avg-pool2d", [new Conv2dDefinition(4, 3), new GlobalAvgPool2dDefinition()] },
        {
            "residual: { layers: [ conv2d: { outputs: 2, kernel: 3, padding: 1 }, silu ], shortcut: [ conv2d: { outputs: 2, kernel: 1 } ] }",
            [new ResidualDefinition([new Conv2dDefinition(2, 3, 1, 1), new ActivationDefinition(Activation.Silu)], [new Conv2dDefinition(2, 1)])]
        },
    };

    [Theory]
    [MemberData(nameof(Images))]
    public void Layers_on_images_agree(string yaml, LayerDefinition[] layers) =>
        Agrees("digits", "scale: 0.0625", "cross-entropy", $"{yaml}, flatten, linear: 10", [.. layers, new FlattenDefinition(), new LinearDefinition(10)]);

    [Theory]
    [InlineData("")]
    [InlineData("center")]
    [InlineData("standardize")]
    [InlineData("min-max")]
    [InlineData("scale: 0.3")]
    [InlineData("polynomial: 3")]
    [InlineData("standardize, polynomial: 4, min-max")]
    public void Steps_of_preprocessing_agree(string steps) => Agrees("wine", steps, "cross-entropy", "linear: 3", new LinearDefinition(3));

    [Theory]
    [InlineData("logistic", 1)]
    [InlineData("binary-cross-entropy", 1)]
    [InlineData("hinge", 1)]
    [InlineData("perceptron", 1)]
    [InlineData("kl-divergence", 2)]
    [InlineData("multiclass-hinge", 2)]
    [InlineData("multiclass-perceptron", 2)]
    public void Losses_give_probabilities_or_scores(string loss, int outputs) =>
        Agrees("breast-cancer", "standardize", loss, $"linear: {outputs}", new LinearDefinition(outputs));

    [Fact]
    public void Numbers_are_predicted_as_numbers() => Agrees("diabetes", "standardize", "mean-squared-error", "linear: 1", new LinearDefinition(1));

    [Fact]
    public void Texts_and_gaps_go_in_as_they_stand_in_the_file()
    {
        File.WriteAllText(Path.Combine(_folder.FullName, "data.csv"), "a,colour,b,size,kind\n1,red,2.5,L,x\n,blue,3,S,y\n2,NA,,M,x\n4,green,1,L,y\n7,red,0.5,?,x\n");
        Agrees("data.csv", "one-hot: [colour], standardize, one-hot: [size], polynomial: 2", "cross-entropy", "linear: 2", missing: "mean", textColumns: ["colour", "size"], layers: new LinearDefinition(2));
    }

    [Fact]
    public void A_model_of_another_format_says_so()
    {
        var (file, _, _) = Write("iris", "", "cross-entropy", "linear: 3", "error", [], new LinearDefinition(3));
        var (tensors, metadata) = SafeTensors.Read(File.ReadAllBytes(file));
        using (var stream = File.Create(file))
        {
            SafeTensors.Write(stream, tensors, new Dictionary<string, string>(metadata) { ["dtrain.version"] = "7" });
        }

        var problems = new List<string>();
        Assert.Null(SavedModel.Load(file, problems));
        Assert.Contains("the model is of format 7, this dtrain reads format 1", Assert.Single(problems));
    }

    private void Agrees(string source, string steps, string loss, string yaml, params LayerDefinition[] layers) => Agrees(source, steps, loss, yaml, "error", [], layers);

    private void Agrees(string source, string steps, string loss, string yaml, string missing, string[] textColumns, params LayerDefinition[] layers)
    {
        var (file, dataset, _) = Write(source, steps, loss, yaml, missing, textColumns, layers);
        var problems = new List<string>();
        var model = SavedModel.Load(file, problems);
        Assert.Empty(problems);
        var expected = new Predictions(model!, model!.ReadFeatures(source, _folder.FullName, problems)!);
        using var session = new InferenceSession(OnnxExport.Write(model));
        using var results = session.Run(Inputs(dataset, textColumns));
        var name = expected.Counts is null ? "value" : session.OutputNames.Contains("probabilities") ? "probabilities" : "scores";
        var actual = results.Single(result => result.Name == name).AsTensor<float>();

        Assert.Equal([expected.Rows, expected.Columns == 1 && name == "probabilities" ? 2 : expected.Columns], actual.Dimensions.ToArray());
        Assert.All(expected.Values.Zip(actual), pair => Assert.InRange(pair.Second, pair.First - Bound(pair.First), pair.First + Bound(pair.First)));
        if (expected.Counts is not null)
        {
            var labels = results.Single(static result => result.Name == "label").AsTensor<string>().ToArray();
            Assert.Equal(Enumerable.Range(0, expected.Rows).Select(expected.Label), labels);
        }

        static double Bound(float value) => Tolerance * Math.Max(1, Math.Abs(value));
    }

    private static List<NamedOnnxValue> Inputs(Dataset dataset, string[] textColumns)
    {
        int[] numbers = [.. Enumerable.Range(0, dataset.FeatureCount).Where(column => !dataset.Texts.ContainsKey(column))];
        int[] texts = [.. dataset.Texts.Keys.Order()];
        Assert.Equal(textColumns.Length, texts.Length);
        var (rows, words) = (new DenseTensor<float>([dataset.Rows, numbers.Length]), new DenseTensor<string>([dataset.Rows, texts.Length]));
        var row = new float[dataset.FeatureCount];
        for (var i = 0; i < dataset.Rows; i++)
        {
            dataset.Features.CopyRow(i, row);
            for (var c = 0; c < numbers.Length; c++)
            {
                rows[i, c] = row[numbers[c]];
            }

            for (var c = 0; c < texts.Length; c++)
            {
                words[i, c] = dataset.Texts[texts[c]][(int)row[texts[c]]];
            }
        }

        return texts.Length == 0 ? [NamedOnnxValue.CreateFromTensor("rows", rows)]
            : [NamedOnnxValue.CreateFromTensor("rows", rows), NamedOnnxValue.CreateFromTensor("texts", words)];
    }

    /// <summary>A model file with random weights and running statistics, as if it had been trained.</summary>
    private (string File, Dataset Dataset, Preprocessor Preprocessor) Write(
        string source, string steps, string loss, string yaml, string missing, string[] textColumns, params LayerDefinition[] layers)
    {
        var problems = new List<string>();
        var policy = Enum.Parse<MissingValues>(missing, ignoreCase: true);
        var dataset = DatasetReader.Read(new DataSources(source) { Format = new TableFormat { Missing = policy }, TextColumns = textColumns }, _folder.FullName, problems);
        Assert.Empty(problems);
        var preprocessor = Preprocessor.Fit(dataset!, [.. Enumerable.Range(0, dataset!.Rows)], Steps(steps, policy));
        var images = layers.Any(static layer => layer is FlattenDefinition);
        var network = Network.Create(images ? preprocessor.OutputShape : new Shape(preprocessor.OutputShape.Elements), 5, layers);
        var stream = new RandomStream(11, RandomPurpose.Sample);
        for (var i = 0; i < network.Parameters.Length; i++)
        {
            network.Parameters[i] = (float)(0.3 * stream.Normal(i));
        }

        for (var i = 0; i < network.Buffers.Length; i++)
        {
            network.Buffers[i] = 0.2f + stream.Uniform(1_000_000 + i);
        }

        var (parameters, buffers) = (network.Parameters.ToArray(), network.Buffers.ToArray());
        NamedTensor[] tensors =
        [
            .. network.Model.Layout.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, parameters.AsMemory(slot.Offset, slot.Shape.Elements))),
            .. network.Model.Buffers.Slots.Select(slot => new NamedTensor(slot.Name, slot.Shape, buffers.AsMemory(slot.Offset, slot.Shape.Elements))),
        ];
        var metadata = new Dictionary<string, string>
        {
            ["dtrain.experiment"] = $"data: {{ source: {source}, missing: {missing}, preprocess: [ {steps} ] }}\nmodel: {{ layers: [ {yaml} ] }}\nloss: {loss}\n",
            ["dtrain.target"] = dataset.TargetName,
            ["dtrain.classes"] = JsonSerializer.Serialize(dataset.ClassNames),
            ["dtrain.preprocess"] = preprocessor.ToJson(),
        };
        var file = Path.Combine(_folder.FullName, "model.safetensors");
        using (var output = File.Create(file))
        {
            SafeTensors.Write(output, tensors, metadata);
        }

        return (file, dataset, preprocessor);
    }

    private static IEnumerable<PreprocessingStep> Steps(string steps, MissingValues missing)
    {
        if (missing == MissingValues.Mean)
        {
            yield return new PreprocessingStep(PreprocessStep.FillMissing);
        }

        foreach (var step in steps.Split(", ", StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = step.Split(": ") is [var first, var second] ? (first, second) : (step, "");
            yield return name switch
            {
                "center" => new PreprocessingStep(PreprocessStep.Center),
                "standardize" => new PreprocessingStep(PreprocessStep.Standardize),
                "min-max" => new PreprocessingStep(PreprocessStep.MinMax),
                "scale" => new PreprocessingStep(PreprocessStep.Scale) { Factor = double.Parse(value, System.Globalization.CultureInfo.InvariantCulture) },
                "polynomial" => new PreprocessingStep(PreprocessStep.Polynomial) { Degree = int.Parse(value, System.Globalization.CultureInfo.InvariantCulture) },
                _ => new PreprocessingStep(PreprocessStep.OneHot) { Columns = [value.Trim('[', ']')] },
            };
        }
    }
}
