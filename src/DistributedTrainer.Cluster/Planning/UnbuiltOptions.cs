using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cluster.Planning;

/// <summary>
/// What an experiment can say but training does not do yet. It is refused, never ignored: whoever builds one of these
/// takes its line out.
/// </summary>
internal static class UnbuiltOptions
{
    public static void Find(Experiment experiment, ICollection<string> problems)
    {
        var (data, model, optimizer, training) = (experiment.Data, experiment.Model, experiment.Optimizer, experiment.Training);
        (bool Asked, string Name)[] unbuilt =
        [
            (data.Folds is not null, "data.folds"),
            (data.ValidationSource is not null, "data.validation-source"),
            (data.TestSource is not null, "data.test-source"),
            (data.Image is not null, "data.image"),
            (data.Preprocess.Any(static step => step.Kind == PreprocessKind.Polynomial), "data.preprocess: polynomial"),
            (data.Preprocess.Any(static step => step.Kind == PreprocessKind.OneHot), "data.preprocess: one-hot"),
            (data.Augment.Count > 0, "data.augment"),
            (model.From is not null, "model.from"),
            (model.Init.Bias != 0, "model.init.bias other than zeros"),
            (experiment.Loss.Kind is not (LossKind.CrossEntropy or LossKind.MeanSquaredError), $"loss: {ExperimentNames.Of(experiment.Loss.Kind)}"),
            (experiment.Loss.LabelSmoothing != 0, "loss: label-smoothing"),
            (optimizer.Kind is not (OptimizerKind.Sgd or OptimizerKind.Momentum or OptimizerKind.Adam), $"optimizer.kind: {ExperimentNames.Of(optimizer.Kind)}"),
            (optimizer.L1 != 0, "optimizer.l1"),
            (optimizer.ClipNorm is not null, "optimizer.clip-norm"),
            (optimizer.ClipValue is not null, "optimizer.clip-value"),
            (optimizer.Schedule is not ConstantScheduleOptions, "optimizer.schedule other than constant"),
            (training.Accumulate != 1, "training.accumulate"),
            (training.EarlyStopping is not null, "training.early-stopping"),
        ];
        foreach (var (_, name) in unbuilt.Where(static option => option.Asked))
        {
            problems.Add($"{name} is not built yet. Remove it.");
        }

        for (var i = 0; i < model.Layers.Count; i++)
        {
            if (!IsBuilt(model.Layers[i]))
            {
                problems.Add($"model.layers.{i}: {ExperimentNames.Of(model.Layers[i])} is not built yet. Remove it.");
            }
        }
    }

    private static bool IsBuilt(LayerOptions layer) => layer switch
    {
        LinearOptions or BatchNormOptions or DropoutOptions => true,
        ActivationOptions activation => Enum.IsDefined(typeof(Activation), activation.Kind.ToString()),
        _ => false,
    };
}
