namespace DistributedTrainer.Engine.Tests.Golden;

/// <summary>
/// The golden cases that the engine cannot build yet, by <see cref="GoldenCase.Key"/>. Whoever adds a layer, a loss or an optimizer adds it to
/// the table of its golden test and strikes it out here: a case in both, or in neither, fails a test.
/// </summary>
internal static class NotYetBuilt
{
    public static readonly IReadOnlySet<string> Keys = new HashSet<string>
    {
        "activations/leaky-relu(slope)",
        "activations/leaky-relu-steep(slope)",
        "activations/elu(alpha)",
        "activations/elu-half(alpha)",
        "activations/softplus",
        "activations/gelu",
        "activations/silu",
        "activations/softmax",
        "activations/log-softmax",
        "batch-norm/batch-norm2d(epsilon,momentum)",
        "layers/conv2d(inChannels,kernel,outChannels,padding,stride)",
        "layers/max-pool2d(kernel,stride)",
        "layers/avg-pool2d(kernel,stride)",
        "layers/global-avg-pool2d",
        "layers/layer-norm(epsilon,size)",
        "least-squares",
        "losses/cross-entropy(labelSmoothing)",
        "losses/multiclass-perceptron",
        "losses/multiclass-hinge",
        "losses/binary-cross-entropy",
        "losses/logistic",
        "losses/perceptron",
        "losses/hinge",
        "losses/mean-absolute-error",
        "losses/huber(delta)",
        "losses/kl-divergence",
        "optimizers/nesterov(learningRate,momentum)",
        "optimizers/rmsprop(decay,epsilon,learningRate)",
        "optimizers/adagrad(epsilon,learningRate)",
        "optimizers/adamw(beta1,beta2,epsilon,learningRate,weightDecay)",
        "runs/mlp-elu-nesterov-clip(clipNorm,learningRate,momentum)",
        "runs/linear-rmsprop-l1(decay,epsilon,l1,learningRate)",
        "schedules/constant",
        "schedules/step(every,factor)",
        "schedules/exponential(factor)",
        "schedules/inverse-time(decay)",
        "schedules/cosine(minimum,steps)",
        "schedules/warmup-cosine(minimum,steps,warmup)",
    };
}
