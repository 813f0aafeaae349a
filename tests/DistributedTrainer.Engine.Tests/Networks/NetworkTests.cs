using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Optimizers.Schedules;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Networks;

/// <summary>Training, evaluating and predicting in one process.</summary>
public sealed class NetworkTests
{
    [Fact]
    public void Classes_are_learnt()
    {
        var (features, labels) = Sets.Clouds(150);
        var network = Sets.Mixed();
        var result = network.Fit(features, labels, new FitOptions { Epochs = 30, LearningRate = 0.01 });
        Assert.Equal(30, result.Epochs.Count);
        Assert.True(result.Loss < result.Epochs[0].Loss / 2, $"loss {result.Loss} after {result.Epochs[0].Loss}");

        var (unseen, right) = Sets.Clouds(90, seed: 2);
        var evaluation = network.Evaluate(unseen, right);
        Assert.InRange(evaluation.Accuracy!.Value, 0.9, 1);
        Assert.InRange(evaluation.RocAuc!.Value, 0.97, 1);
        Assert.Equal(evaluation.Loss, evaluation.LogLoss!.Value, 1e-5);
        Assert.Equal(evaluation.Confusion!.Correct, network.PredictClasses(unseen).Zip(right).Count(static pair => pair.First == pair.Second));
    }

    [Fact]
    public void Values_are_learnt()
    {
        var (features, targets) = Sets.Line(120);
        var network = Network.Create(2, 1, new LinearDefinition(1));
        network.Fit(features, targets, new FitOptions { Epochs = 60, Optimizer = new Sgd(), LearningRate = 0.05 });
        AssertBits.Near([2, -1, 0.5], network.Parameters, 1e-3, 1e-3, "weights and bias");
        var evaluation = network.Evaluate(features, targets);
        Assert.Null(evaluation.Confusion);
        Assert.InRange(evaluation.Regression!.RSquared, 0.9999, 1);
        Assert.Equal(evaluation.Loss, evaluation.Regression.MeanSquaredError, 1e-6);
    }

    [Fact]
    public void Two_classes_take_one_output()
    {
        float[] features = [-2, -1, 1, 2];
        int[] labels = [0, 0, 1, 1];
        var network = Network.Create(1, 3, new LinearDefinition(1));
        network.Fit(features, labels, new FitOptions { Epochs = 100, LearningRate = 0.1 });
        Assert.Equal("logistic", network.Loss!.Name);
        Assert.Equal(labels, network.PredictClasses(features));
        var probabilities = network.PredictProbabilities(features);
        for (var row = 0; row < 4; row++)
        {
            Assert.Equal(1, probabilities[2 * row] + probabilities[(2 * row) + 1], 1e-6);
            Assert.Equal(labels[row] == 1, probabilities[(2 * row) + 1] > 0.5f);
        }

        Assert.Equal(1.0, network.Evaluate(features, labels).RocAuc);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_same_seed_gives_the_same_bits(int leaves)
    {
        var (features, labels) = Sets.Clouds(100);
        var options = new FitOptions { Epochs = 3, BatchSize = 30, Leaves = leaves, ClipNorm = 0.5, WeightDecay = 0.01, L1 = 0.001 };
        var (first, second, other) = (Sets.Mixed(), Sets.Mixed(), Sets.Mixed(seed: 6));
        var losses = first.Fit(features, labels, options).Epochs.Select(static epoch => epoch.Loss).ToArray();
        second.Fit(features, labels, options with { Validation = new Examples(features, labels), OnEpoch = _ => second.Predict(features) });
        other.Fit(features, labels, options);
        AssertBits.Equal(first.Parameters, second.Parameters, "parameters");
        AssertBits.Equal(first.Buffers, second.Buffers, "running statistics");
        Assert.False(first.Parameters.SequenceEqual(other.Parameters));
        Assert.All(losses, static loss => Assert.True(double.IsFinite(loss)));
    }

    [Fact]
    public void Every_row_is_visited_once_an_epoch_in_leaves_that_never_mix()
    {
        const int Rows = 23;
        var order = new EpochOrder(Rows, 7, 3, shuffle: true, seed: 9);
        Assert.Equal(4, order.Steps);
        var (rows, segments, seen) = (new int[7], new LeafSegment[3], new List<int>());
        var orders = new HashSet<string>();
        for (var epoch = 0; epoch < 3; epoch++)
        {
            order.Begin(epoch);
            seen.Clear();
            for (var step = 0; step < order.Steps; step++)
            {
                var (count, leaves) = order.Take(step, rows, segments);
                foreach (var leaf in segments[..leaves])
                {
                    Assert.All(rows[leaf.FirstRow..(leaf.FirstRow + leaf.Rows)], row => Assert.Equal(leaf.Leaf, row % 3));
                }

                seen.AddRange(rows[..count]);
            }

            Assert.Equal(Enumerable.Range(0, Rows), seen.Order());
            orders.Add(string.Join(' ', seen));
        }

        Assert.Equal(3, orders.Count);
    }

    [Fact]
    public void A_warm_step_allocates_nothing()
    {
        var network = Sets.Mixed();
        var workspace = network.Model.CreateWorkspace(new CrossEntropyLoss(), 12);
        var trainer = new LocalTrainer(network.Model, workspace, new Adam(), 3, 1);
        network.Parameters.CopyTo(workspace.Parameters);
        Numbers.Normal(24, 1).CopyTo(workspace.Input(12));
        var segments = Leaves.Of(5, 4, 3);
        var step = 0L;
        Assert.Equal(0, Allocation.Warm(() => trainer.Step(segments, new OptimizerStep(step++, 0.01f, 12) { WeightDecay = 0.1f }, clipNorm: 0.1)));
    }

    [Fact]
    public void An_epoch_allocates_no_more_for_more_steps()
    {
        var (features, labels) = Sets.Clouds(1000);
        var marks = new List<long>(8);
        Sets.Mixed().Fit(features, labels, new FitOptions { Epochs = 5, BatchSize = 4, Leaves = 2, OnEpoch = _ => marks.Add(GC.GetAllocatedBytesForCurrentThread()) });

        // The report of the epoch, and the list of reports: 250 steps of one byte each would already show.
        Assert.InRange(marks.Skip(1).Zip(marks, static (after, before) => after - before).Min(), 0, 249);
    }

    [Fact]
    public void A_schedule_and_the_epochs_are_reported()
    {
        var (features, labels) = Sets.Clouds(60);
        var reports = new List<EpochReport>();
        var result = Sets.Mixed().Fit(features, labels, new FitOptions
        {
            Epochs = 3,
            BatchSize = 20,
            LearningRate = 0.08,
            Schedule = new StepSchedule(3, 0.5),
            Validation = new Examples(features, labels),
            OnEpoch = reports.Add,
        });
        Assert.Equal(result.Epochs, reports);
        Assert.Equal([1, 2, 3], reports.Select(static report => report.Epoch));
        Assert.Equal([0.08, 0.04, 0.02], reports.Select(static report => report.LearningRate));
        Assert.All(reports, static report => Assert.Equal(60, report.Validation!.Rows));
        Assert.Equal(reports.MinBy(static report => report.Validation!.Loss)!.Epoch, result.BestEpoch);
    }

    [Fact]
    public void Early_stopping_takes_the_best_weights_back()
    {
        // The validation rows have the classes the other way round: every epoch makes them worse.
        var (features, labels) = Sets.Clouds(60);
        var validation = new Examples(features, Array.ConvertAll(labels, static label => (label + 1) % 3));
        var network = Sets.Mixed();
        var after = new List<float[]>();
        var result = network.Fit(features, labels, new FitOptions
        {
            Epochs = 50,
            LearningRate = 0.02,
            Validation = validation,
            EarlyStopping = new EarlyStopping(Patience: 3),
            OnEpoch = _ => after.Add(network.Parameters.ToArray()),
        });
        var best = result.BestEpoch!.Value;
        Assert.True(result.StoppedEarly);
        Assert.Equal(best + 3, result.Epochs.Count);
        AssertBits.Equal(after[best - 1], network.Parameters, "weights of the best epoch");
        Assert.Equal(result.Epochs[best - 1].Validation!.Loss, network.Evaluate(validation).Loss);
    }

    [Fact]
    public void A_plateau_lowers_the_rate()
    {
        var (features, labels) = Sets.Clouds(60);
        var validation = new Examples(features, Array.ConvertAll(labels, static label => (label + 1) % 3));
        var result = Sets.Mixed().Fit(features, labels, new FitOptions
        {
            Epochs = 10,
            LearningRate = 0.02,
            Validation = validation,
            Plateau = new ReduceOnPlateau(0.5, Patience: 1),
        });
        Assert.Equal(0.02, result.Epochs[0].LearningRate);
        Assert.True(result.Epochs[^1].LearningRate <= 0.01);
    }

    [Fact]
    public void Cancelling_stops_between_steps()
    {
        var (features, labels) = Sets.Clouds(60);
        using var source = new CancellationTokenSource();
        var (whole, cut) = (Sets.Mixed(), Sets.Mixed());
        var options = new FitOptions { Epochs = 2 };
        whole.Fit(features, labels, options);
        Assert.Throws<OperationCanceledException>(() => cut.Fit(features, labels, options with
        {
            Epochs = 5,
            CancellationToken = source.Token,
            OnEpoch = report => Cancel(report.Epoch),
        }));
        AssertBits.Equal(whole.Parameters, cut.Parameters, "weights of the second epoch");

        void Cancel(int epoch)
        {
            if (epoch == 2)
            {
                source.Cancel();
            }
        }
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_before_the_weights_change()
    {
        var (features, targets) = Sets.Line(40);
        var network = Network.Create(2, 1, new LinearDefinition(1));
        var problem = Assert.Throws<NotFiniteNumberException>(
            () => network.Fit(features, targets, new FitOptions { Optimizer = new Sgd(), LearningRate = 1e6, Epochs = 50 }));
        Assert.Contains("Lower the learning rate", problem.Message);
        Assert.All(network.Parameters.ToArray(), static weight => Assert.False(float.IsNaN(weight)));
    }

    [Fact]
    public void A_gradient_that_is_not_finite_stops_although_the_loss_is()
    {
        // The absolute errors are finite, and each row's part of the gradient too; their sum of 4e38 is not.
        var network = Network.Create(1, 1, new LinearDefinition(1));
        var problem = Assert.Throws<NotFiniteNumberException>(
            () => network.Fit((float[])[2e38f, 2e38f], (float[])[0, 0], new FitOptions { Loss = new MeanAbsoluteErrorLoss(), Optimizer = new Sgd(), BatchSize = 2, Epochs = 1 }));
        Assert.Contains("the gradient of 0.weight", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_network_is_not_fitted_while_it_is_fitted()
    {
        var (features, labels) = Sets.Clouds(30);
        var network = Sets.Mixed();
        Assert.Throws<InvalidOperationException>(() => network.Fit(features, labels, new FitOptions { OnEpoch = _ => network.Fit(features, labels) }));
        network.Fit(features, labels, new FitOptions { Epochs = 1 });
    }

    [Fact]
    public void Images_go_through_convolutions()
    {
        // A bright pixel in the left or the right half.
        var (features, labels) = (new float[32 * 16], new int[32]);
        for (var row = 0; row < 32; row++)
        {
            labels[row] = row % 2;
            features[(row * 16) + (row / 2 % 4 * 4) + (labels[row] * 2) + (row / 8 % 2)] = 1;
        }

        var network = Network.Create(
            new Shape(1, 4, 4), 2, new Conv2dDefinition(4, 3, Padding: 1), new ActivationDefinition(Activation.Relu), new MaxPool2dDefinition(2), new FlattenDefinition(), new LinearDefinition(2));
        network.Fit(features, labels, new FitOptions { Epochs = 60, BatchSize = 8, LearningRate = 0.02 });
        Assert.Equal(labels, network.PredictClasses(features));
    }

    [Fact]
    public void Weights_start_as_asked()
    {
        var zeros = Network.Create(new Shape(3), 1, new InitialWeights(InitialWeightsKind.Zeros), new LinearDefinition(2));
        Assert.All(zeros.Parameters.ToArray(), static weight => Assert.Equal(0, weight));
        Assert.Contains(Network.Create(3, 1, new LinearDefinition(2)).Parameters.ToArray(), static weight => weight != 0);
    }

    [Fact]
    public void Values_have_no_classes()
    {
        var (features, targets) = Sets.Line(8);
        var network = Network.Create(2, 1, new LinearDefinition(1));
        network.Fit(features, targets, new FitOptions { Epochs = 1 });
        Assert.Throws<InvalidOperationException>(() => network.PredictClasses(features));
        Assert.Throws<InvalidOperationException>(() => network.PredictProbabilities(features));
    }
}
