using CsCheck;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Losses;

public class LossTests
{
    public static TheoryData<int> All => LossRun.Numbers;

    [Theory]
    [MemberData(nameof(All))]
    public void Scores_of_300_give_finite_losses_and_gradients(int number)
    {
        var loss = LossRun.All[number];
        var outputs = loss.OutputsFor(2) == 1 ? 1 : 3;
        float[] z = [.. Enumerable.Range(0, 16 * outputs).Select(static i => i * 7 % 3 == 0 ? 300f : i % 2 == 0 ? -300f : 0)];
        var (_, labels, targets, _) = LossRun.Batch(loss, 16, 3, 1, 12);
        var (losses, dz) = LossRun.Run(loss, z, labels, targets, 16);
        Assert.All(losses, static value => Assert.True(float.IsFinite(value)));
        Assert.All(dz, static value => Assert.True(float.IsFinite(value)));
        Assert.Contains(losses, static value => value > 50);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_NaN_score_gives_a_NaN_loss_in_its_row_alone(int number)
    {
        var loss = LossRun.All[number];
        var (z, labels, targets, outputs) = LossRun.Batch(loss, 20, 18, 2, 13);
        z[(7 * outputs) + (outputs / 2)] = float.NaN;
        var (losses, _) = LossRun.Run(loss, z, labels, targets, 20);
        Assert.True(float.IsNaN(losses[7]));
        Assert.Equal(1, losses.Count(float.IsNaN));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Losses_are_not_negative(int number)
    {
        var loss = LossRun.All[number];
        Gen.Int[0, 1_000_000].Select(Gen.Int[2, 40]).SampleSeeded(
            pair =>
            {
                var (z, labels, targets, _) = LossRun.Batch(loss, 5, pair.Item2, 20, pair.Item1);
                Assert.All(LossRun.Run(loss, z, labels, targets, 5).Losses, static value => Assert.True(value >= -1e-6f));
            },
            seed: "0000KtmZxNbD", iter: 200);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_row_has_the_same_bits_in_a_batch_of_any_length(int number)
    {
        var loss = LossRun.All[number];
        foreach (var columns in new[] { 2, 3, 16, 17, 37 })
        {
            var (z, labels, targets, outputs) = LossRun.Batch(loss, 75, columns, 6, 14);
            var whole = LossRun.Run(loss, z, labels, targets, 75);
            for (var rows = 0; rows <= 70; rows++)
            {
                var first = rows % 5;
                var (start, end) = (first * outputs, (first + rows) * outputs);
                var part = LossRun.Run(loss, z[start..end], labels[first..(first + rows)], targets[start..end], rows);
                Assert.True(part.Losses.AsSpan().SequenceEqual(whole.Losses.AsSpan(first, rows)));
                Assert.True(part.Dz.AsSpan().SequenceEqual(whole.Dz.AsSpan(start, end - start)));
            }
        }
    }

    // These hold on every vector width and every machine.
    [Theory]
    [InlineData(0, "59c7e9df1f4afa9c")]
    [InlineData(1, "dbfe3650097e2841")]
    [InlineData(2, "846fbd01b984fa68")]
    [InlineData(3, "846fbd01b984fa68")]
    [InlineData(4, "ca916a74413661dd")]
    [InlineData(5, "f30788e84082f224")]
    [InlineData(6, "5fe65f13051bf044")]
    [InlineData(7, "c9ff714dc1313ad3")]
    [InlineData(8, "5fe65f13051bf044")]
    [InlineData(9, "dd60eb1505a4af81")]
    [InlineData(10, "11845834d003c7fd")]
    [InlineData(11, "8326ca5d7a8d7f2f")]
    [InlineData(12, "8d6c4ca3522d22f6")]
    [InlineData(13, "1fe8160e799d0ca1")]
    public void Bits_are_the_same_on_every_vector_width(int number, string hash)
    {
        var (z, labels, targets, _) = LossRun.Batch(LossRun.All[number], 61, 37, 8, 15);
        var (losses, dz) = LossRun.Run(LossRun.All[number], z, labels, targets, 61);
        Assert.Equal(hash, BitHash.Of(losses, dz));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void The_order_of_rows_leaves_the_total_alone(int number)
    {
        var loss = LossRun.All[number];
        var (z, labels, targets, outputs) = LossRun.Batch(loss, 64, 7, 5, 16);
        int[] order = [.. Enumerable.Range(0, 64)];
        new System.Random(17).Shuffle(order);
        var shuffled = LossRun.Run(
            loss,
            [.. order.SelectMany(row => z[(row * outputs)..((row + 1) * outputs)])],
            [.. order.Select(row => labels[row])],
            [.. order.SelectMany(row => targets[(row * outputs)..((row + 1) * outputs)])],
            64);
        var straight = LossRun.Run(loss, z, labels, targets, 64);

        // Row by row the same bits; only the order of the float64 additions differs, at 64 · 2⁻⁵³ of the total at most.
        Assert.Equal(order.Select(row => straight.Losses[row]), shuffled.Losses);
        var (one, other) = (straight.Losses.Sum(static v => (double)v), shuffled.Losses.Sum(static v => (double)v));
        Assert.InRange(other, one - (one * 1e-14), one + (one * 1e-14));
    }

    [Fact]
    public void Kl_divergence_is_cross_entropy_minus_the_entropy_of_the_target()
    {
        var loss = new KlDivergenceLoss(LossTargets.Values);
        var (z, _, q, outputs) = LossRun.Batch(loss, 30, 9, 4, 18);
        var losses = LossRun.Run(loss, z, [], q, 30).Losses;
        for (var row = 0; row < 30; row++)
        {
            // H(q, p) as the mixture of the cross-entropies of the single classes.
            var (cross, entropy) = (0.0, 0.0);
            for (var c = 0; c < outputs; c++)
            {
                var share = q[(row * outputs) + c];
                cross += share * LossRun.Run(new CrossEntropyLoss(), z[(row * outputs)..((row + 1) * outputs)], [c], [], 1).Losses[0];
                entropy -= share * Math.Log(share);
            }

            Assert.Equal(cross - entropy, losses[row], 1e-5);
        }
    }

    [Fact]
    public void Kl_divergence_is_0_with_gradient_0_where_the_distributions_are_equal()
    {
        float[] z = [1.5f, -0.25f, 0.75f, -3];
        var weights = z.Select(static v => Math.Exp(v)).ToArray();
        var (losses, dz) = LossRun.Run(new KlDivergenceLoss(LossTargets.Values), z, [], [.. weights.Select(w => (float)(w / weights.Sum()))], 1);
        Assert.Equal(0, losses[0], 5e-7);
        Assert.All(dz, static value => Assert.Equal(0, value, 5e-7));
    }

    [Fact]
    public void Kl_divergence_counts_a_target_of_0_as_nothing()
    {
        var (losses, dz) = LossRun.Run(new KlDivergenceLoss(LossTargets.Values), [0, 0], [], [1, 0], 1);
        Assert.Equal(Math.Log(2), losses[0], 1e-6);
        Assert.Equal([-0.5f, 0.5f], dz);
    }

    [Fact]
    public void Kl_divergence_from_labels_is_cross_entropy()
    {
        var (z, labels, _, outputs) = LossRun.Batch(new KlDivergenceLoss(), 30, 9, 4, 19);
        var oneHot = new float[z.Length];
        for (var row = 0; row < 30; row++)
        {
            oneHot[(row * outputs) + labels[row]] = 1;
        }

        var crossEntropy = LossRun.Run(new CrossEntropyLoss(), z, labels, [], 30);
        Assert.Equal(crossEntropy, LossRun.Run(new KlDivergenceLoss(), z, labels, [], 30), Same);
        var written = LossRun.Run(new KlDivergenceLoss(LossTargets.Values), z, [], oneHot, 30);
        Assert.All(crossEntropy.Losses.Zip(written.Losses), static pair => Assert.Equal(pair.First, pair.Second, 2e-6));
        Assert.All(crossEntropy.Dz.Zip(written.Dz), static pair => Assert.Equal(pair.First, pair.Second, 1e-6));
    }

    [Fact]
    public void Binary_cross_entropy_is_the_logistic_loss_with_mapped_targets()
    {
        var (z, labels, _, _) = LossRun.Batch(new LogisticLoss(), 200, 1, 12, 20);
        var binary = LossRun.Run(new BinaryCrossEntropyLoss(), z, labels, [], 200);
        Assert.Equal(LossRun.Run(new LogisticLoss(), z, labels, [], 200), binary, Same);
        for (var row = 0; row < 200; row++)
        {
            // The definition, in float64: −t log p − (1 − t) log(1 − p).
            var p = 1 / (1 + Math.Exp(-z[row]));
            var expected = (-labels[row] * Math.Log(p)) - ((1 - labels[row]) * Math.Log(1 - p));
            Assert.Equal(expected, binary.Losses[row], 1e-5 * (1 + expected));
            Assert.Equal(p - labels[row], binary.Dz[row], 1e-6);
        }
    }

    [Fact]
    public void Two_class_softmax_is_the_logistic_loss_of_the_difference()
    {
        var (z, labels, _, _) = LossRun.Batch(new CrossEntropyLoss(), 100, 2, 9, 21);
        float[] difference = [.. Enumerable.Range(0, 100).Select(row => z[(2 * row) + 1] - z[2 * row])];
        var softmax = LossRun.Run(new CrossEntropyLoss(), z, labels, [], 100).Losses;
        var logistic = LossRun.Run(new LogisticLoss(), difference, labels, [], 100).Losses;
        Assert.All(softmax.Zip(logistic), static pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }

    [Fact]
    public void Hinge_is_never_below_zero_one_and_perceptron_is_0_exactly_without_mistakes()
    {
        var (z, labels, _, _) = LossRun.Batch(new HingeLoss(), 300, 1, 2, 22);
        z[5] = 0;
        var hinge = LossRun.Run(new HingeLoss(), z, labels, [], 300).Losses;
        var perceptron = LossRun.Run(new PerceptronLoss(), z, labels, [], 300).Losses;
        for (var row = 0; row < 300; row++)
        {
            var mistakes = ZeroOne.Mistakes(z.AsSpan(row, 1), labels.AsSpan(row, 1));
            Assert.True(hinge[row] >= mistakes);
            Assert.True(z[row] == 0 || (perceptron[row] > 0) == (mistakes == 1));
        }
    }

    [Fact]
    public void Multiclass_hinge_is_never_below_zero_one()
    {
        var (z, labels, _, outputs) = LossRun.Batch(new MulticlassHingeLoss(), 300, 6, 2, 23);
        var hinge = LossRun.Run(new MulticlassHingeLoss(), z, labels, [], 300).Losses;
        for (var row = 0; row < 300; row++)
        {
            Assert.True(hinge[row] >= ZeroOne.Mistakes(z.AsSpan(row * outputs, outputs), labels.AsSpan(row, 1)));
        }
    }

    [Fact]
    public void Huber_is_half_the_square_near_the_target_and_linear_beyond()
    {
        var (losses, dz) = LossRun.Run(new HuberLoss(2), [1, 2, 5, -5], [], [0, 0, 0, 0], 4);
        Assert.Equal([0.5f, 2, 8, 8], losses);
        Assert.Equal([1, 2, 2, -2], dz);
    }

    [Fact]
    public void Label_smoothing_mixes_in_the_mean_over_all_classes()
    {
        float[] z = [0.5f, -1, 2, 0.25f];
        float[] single = [.. Enumerable.Range(0, 4).Select(c => LossRun.Run(new CrossEntropyLoss(), z, [c], [], 1).Losses[0])];
        Assert.Equal((0.8f * single[2]) + (0.2f * single.Average()), LossRun.Run(new CrossEntropyLoss(0.2f), z, [2], [], 1).Losses[0], 1e-6f);
    }

    private static bool Same((float[] Losses, float[] Dz) one, (float[] Losses, float[] Dz) other) =>
        one.Losses.AsSpan().SequenceEqual(other.Losses) && one.Dz.AsSpan().SequenceEqual(other.Dz);
}
