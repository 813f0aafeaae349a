namespace DistributedTrainer.Experiments.Reading;

/// <summary>Reads <c>optimizer</c>.</summary>
internal static class OptimizerSection
{
    private const string Decays = "a number from 0 to below 1";

    /// <summary>The keys that not every kind has.</summary>
    public static readonly KindKeys<OptimizerKind> Owners = new(
        ("momentum", [OptimizerKind.Momentum, OptimizerKind.Nesterov]),
        ("decay", [OptimizerKind.Rmsprop]),
        ("beta1", [OptimizerKind.Adam, OptimizerKind.Adamw]),
        ("beta2", [OptimizerKind.Adam, OptimizerKind.Adamw]),
        ("epsilon", [OptimizerKind.Rmsprop, OptimizerKind.Adagrad, OptimizerKind.Adam, OptimizerKind.Adamw]));

    public static OptimizerOptions Read(Section optimizer)
    {
        var defaults = new OptimizerOptions();
        var chosen = optimizer.Find("kind") is { } node ? optimizer.Choice<OptimizerKind>(node, optimizer.KeyOf("kind")) : defaults.Kind;
        var kind = chosen ?? defaults.Kind;
        var rate = optimizer.Number("learning-rate", defaults.LearningRate, static value => value > 0, "a number above 0");
        var decay = optimizer.Number("weight-decay", 0, static value => value >= 0, "a number, 0 or more");
        var before = optimizer.Problems.Count;
        var l1 = optimizer.Number("l1", 0, static value => value >= 0, "a number, 0 or more");
        var wrong = optimizer.Problems.Count > before;
        var options = new OptimizerOptions
        {
            Kind = kind,
            LearningRate = rate,
            WeightDecay = decay,
            L1 = l1,
            L1Zeros = optimizer.Flag("l1-zeros", false),
            DecayBiases = optimizer.Flag("decay-biases", false),
            ClipNorm = Limit(optimizer, "clip-norm"),
            ClipValue = Limit(optimizer, "clip-value"),
            Momentum = Own(optimizer, kind, "momentum", defaults.Momentum),
            Decay = Own(optimizer, kind, "decay", defaults.Decay),
            Beta1 = Own(optimizer, kind, "beta1", defaults.Beta1),
            Beta2 = Own(optimizer, kind, "beta2", defaults.Beta2),
            Epsilon = Owners.Has(kind, "epsilon")
                ? optimizer.Number("epsilon", kind == OptimizerKind.Adagrad ? 1e-10 : defaults.Epsilon, static value => value > 0, "a number above 0")
                : defaults.Epsilon,
            Schedule = ScheduleSection.Read(optimizer, rate),
        };
        if (options is { L1Zeros: true, L1: 0 } && !wrong)
        {
            optimizer.Problems.Add(optimizer.Find("l1-zeros"), optimizer.KeyOf("l1-zeros"), "without l1 there is nothing that makes weights 0. Write l1: 0.001 beside it, or remove it.");
        }

        Owners.RefuseForeign(optimizer, chosen);
        optimizer.RefuseUnknown();
        return options;
    }

    private static double Own(Section optimizer, OptimizerKind kind, string name, double fallback) =>
        Owners.Has(kind, name) ? optimizer.Number(name, fallback, static value => value is >= 0 and < 1, Decays) : fallback;

    private static double? Limit(Section optimizer, string name) =>
        optimizer.Find(name) is { } node ? optimizer.Number(node, optimizer.KeyOf(name), 1, static value => value > 0, "a number above 0, or null for no limit") : null;
}
