using DistributedTrainer.Engine.Optimizers;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Optimizers;

public class OptimizerTests
{
    public static TheoryData<int> All => OptimizerRun.Numbers;

    // These hold on every vector width and every machine.
    [Theory]
    [InlineData(0, "f18621bff801d542")]
    [InlineData(1, "a9d8789a665d3976")]
    [InlineData(2, "737ff0a97423e1d1")]
    [InlineData(3, "9f508b811736bd00")]
    [InlineData(4, "f74e515e1f05adb6")]
    [InlineData(5, "fd57101af072845c")]
    [InlineData(6, "07584f0771e56dec")]
    public void Bits_are_the_same_on_every_vector_width(int number, string hash) =>
        Assert.Equal(hash, BitHash.Of(OptimizerRun.Steps(OptimizerRun.All[number], 1003, 12)));

    [Theory]
    [MemberData(nameof(All))]
    public void Weights_may_be_updated_in_place_or_elsewhere(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var (weights, gradient, elsewhere) = (OptimizerRun.Uniform(50, 1), OptimizerRun.Uniform(50, 2), new float[50]);
        var step = new OptimizerStep(0, 0.1f, 2);
        var (one, other) = (OptimizerRun.State(optimizer, 50), OptimizerRun.State(optimizer, 50));
        optimizer.Update(step, weights, gradient, one[0], one[1], elsewhere);
        optimizer.Update(step, weights, gradient, other[0], other[1], weights);
        Assert.Equal(elsewhere, weights);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void The_sum_is_divided_by_the_rows(int number)
    {
        // Eight rows: a division that is exact.
        var optimizer = OptimizerRun.All[number];
        Assert.Equal(
            OptimizerRun.One(optimizer, new OptimizerStep(0, 0.1f, 1), 0.5f, 0.375f), OptimizerRun.One(optimizer, new OptimizerStep(0, 0.1f, 8), 0.5f, 3));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void L1_is_the_sign_of_the_weight_and_nothing_at_zero(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var step = new OptimizerStep(0, 0.1f, 1);
        var penalised = step with { L1 = 0.25f };
        Assert.Equal(0, OptimizerRun.One(optimizer, penalised, 0, 0));
        Assert.Equal(OptimizerRun.One(optimizer, step, 2, 0.25f), OptimizerRun.One(optimizer, penalised, 2, 0));
        Assert.Equal(OptimizerRun.One(optimizer, step, -2, -0.25f), OptimizerRun.One(optimizer, penalised, -2, 0));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_gradient_is_scaled_then_clipped_then_regularised(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var step = new OptimizerStep(0, 0.1f, 1);
        var decay = optimizer is AdamW ? 0 : 0.5f;

        // 8 · 0.5 is clipped to 1; then decay · 2 and L1 come on top.
        var all = step with { GradientScale = 0.5f, ClipValue = 1, WeightDecay = decay, L1 = 0.25f };
        Assert.Equal(OptimizerRun.One(optimizer, step, 2, 1 + (2 * decay) + 0.25f), OptimizerRun.One(optimizer, all, 2, 8));
        Assert.Equal(
            OptimizerRun.One(optimizer, step, 2, -1 + (2 * decay) + 0.25f), OptimizerRun.One(optimizer, all, 2, -8));
        Assert.Equal(OptimizerRun.One(optimizer, step, 2, 0.25f), OptimizerRun.One(optimizer, step with { GradientScale = 0.5f, ClipValue = 1 }, 2, 0.5f));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_NaN_or_infinite_gradient_is_not_hidden(int number)
    {
        var optimizer = OptimizerRun.All[number];
        Assert.True(float.IsNaN(OptimizerRun.One(optimizer, new OptimizerStep(0, 0.1f, 1), 1, float.NaN)));
        Assert.True(float.IsNaN(OptimizerRun.One(optimizer, new OptimizerStep(0, 0.1f, 1) { ClipValue = 1 }, 1, float.NaN)));
        Assert.False(float.IsFinite(OptimizerRun.One(optimizer, new OptimizerStep(0, 0.1f, 1), 1, float.PositiveInfinity)));
        Assert.True(float.IsFinite(OptimizerRun.One(optimizer, new OptimizerStep(0, 0.1f, 1) { ClipValue = 1 }, 1, float.PositiveInfinity)));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void State_below_the_smallest_normal_number_becomes_0(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var state = OptimizerRun.State(optimizer, 3);
        foreach (var vector in state.Where(static vector => vector.Length > 0))
        {
            vector[0] = 1e-39f;
            vector[1] = 1.17549435e-38f;
            vector[2] = 1;
        }

        var weights = new float[3];
        optimizer.Update(new OptimizerStep(5, 0.1f, 1), weights, [0, 0, 0], state[0], state[1], weights);
        foreach (var vector in state.Where(static vector => vector.Length > 0))
        {
            // AdaGrad's state does not decay, so a normal number stays.
            Assert.Equal(0, vector[0]);
            Assert.Equal(optimizer is AdaGrad ? 1.17549435e-38f : 0, vector[1]);
            Assert.NotEqual(0, vector[2]);
        }

        Assert.All(weights, static w => Assert.True(float.IsFinite(w)));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void With_exact_zeros_a_weight_stops_at_0_and_leaves_it_only_for_a_gradient_beyond_l1(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var step = new OptimizerStep(0, 0.5f, 1) { L1 = 0.25f, L1Zeros = true };
        foreach (var sign in (float[])[1, -1])
        {
            // 0.1 would cross 0; 0.25 and less does not leave it, and what is beyond moves against the gradient.
            Assert.Equal(0, OptimizerRun.One(optimizer, step, sign * 0.1f, sign * 2));
            Assert.Equal(0, OptimizerRun.One(optimizer, step, 0, sign * 0.25f));
            Assert.Equal(OptimizerRun.One(optimizer, new OptimizerStep(0, 0.5f, 1), 0, sign * 0.5f), OptimizerRun.One(optimizer, step, 0, sign * 0.75f));
            Assert.True(sign * OptimizerRun.One(optimizer, step, 0, sign * 0.75f) < 0);

            // Far from 0 it is the plain rule.
            Assert.Equal(OptimizerRun.One(optimizer, step with { L1Zeros = false }, sign * 50, 0.75f), OptimizerRun.One(optimizer, step, sign * 50, 0.75f));
        }

        Assert.Contains(OptimizerRun.StepsWithZeros(optimizer, 1003, 12)[0], static w => w == 0);
        Assert.Contains(OptimizerRun.StepsWithZeros(optimizer, 1003, 12)[0], static w => w != 0);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void With_exact_zeros_what_the_optimizer_remembers_does_not_move_a_weight_from_0(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var (weights, state) = (new float[] { 0.1f }, OptimizerRun.State(optimizer, 1));
        float[] gradients = [2, 0.25f, -0.25f, 0];
        foreach (var (i, gradient) in gradients.Index())
        {
            optimizer.Update(new OptimizerStep(i, 0.5f, 1) { L1 = 0.25f, L1Zeros = true }, weights, [gradient], state[0], state[1], weights);
            Assert.Equal(0, weights[0]);
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void With_exact_zeros_a_NaN_or_infinite_gradient_is_not_hidden(int number)
    {
        var step = new OptimizerStep(0, 0.1f, 1) { L1 = 0.1f, L1Zeros = true };
        foreach (var weight in (float[])[0, 1, -1])
        {
            Assert.True(float.IsNaN(OptimizerRun.One(OptimizerRun.All[number], step, weight, float.NaN)));
            Assert.False(float.IsFinite(OptimizerRun.One(OptimizerRun.All[number], step, weight, float.PositiveInfinity)));
        }
    }

    [Fact]
    public void Sgd_with_a_batch_of_one_row_steps_against_its_gradient() =>
        Assert.Equal(1.5f, OptimizerRun.One(new Sgd(), new OptimizerStep(0, 0.25f, 1), 2, 2));

    [Fact]
    public void Momentum_keeps_the_share_alpha_of_its_velocity()
    {
        var (weights, velocity) = (new float[] { 0 }, new float[] { 0 });
        var optimizer = new Momentum(0.5f);
        optimizer.Update(new OptimizerStep(0, 1, 1), weights, [-1], velocity, [], weights);
        Assert.Equal((1, 1), (weights[0], velocity[0]));
        optimizer.Update(new OptimizerStep(1, 1, 1), weights, [0], velocity, [], weights);
        Assert.Equal((1.5f, 0.5f), (weights[0], velocity[0]));
        optimizer.Update(new OptimizerStep(2, 1, 1), weights, [-1], velocity, [], weights);
        Assert.Equal((2.75f, 1.25f), (weights[0], velocity[0]));
    }

    [Fact]
    public void Without_momentum_both_momentum_rules_are_sgd()
    {
        var step = new OptimizerStep(0, 0.25f, 1);
        Assert.Equal(1.5f, OptimizerRun.One(new Momentum(0), step, 2, 2));
        Assert.Equal(1.5f, OptimizerRun.One(new Nesterov(0), step, 2, 2));
    }

    [Fact]
    public void Nesterov_steps_with_the_gradient_at_the_looked_ahead_point()
    {
        // f(θ) = 2 θ², in float64: v ← α v − η f'(θ + α v), θ ← θ + v. The optimizer holds w = θ + α v. The rate changes on the way.
        const double Alpha = 0.8;
        var (theta, v) = (1.5, 0.0);
        var (w, velocity) = (new float[] { 1.5f }, new float[1]);
        for (var step = 0; step < 40; step++)
        {
            var rate = step < 20 ? 0.05 : 0.02;
            v = (Alpha * v) - (rate * 4 * (theta + (Alpha * v)));
            theta += v;
            new Nesterov((float)Alpha).Update(new OptimizerStep(step, (float)rate, 1), w, [4 * w[0]], velocity, [], w);
            Assert.Equal(theta + (Alpha * v), w[0], 1e-5);
        }
    }

    [Fact]
    public void AdamW_without_decay_is_Adam()
    {
        var step = new OptimizerStep(3, 0.1f, 2) { L1 = 0.125f };
        Assert.Equal(OptimizerRun.One(new Adam(), step, 2, 3), OptimizerRun.One(new AdamW(), step, 2, 3));
    }

    [Fact]
    public void AdamW_shrinks_the_weight_whatever_the_gradient()
    {
        var step = new OptimizerStep(0, 0.5f, 1);
        Assert.Equal(3, OptimizerRun.One(new AdamW(), step with { WeightDecay = 0.5f }, 4, 0));
        Assert.Equal(4, OptimizerRun.One(new AdamW(), step, 4, 0));
    }

    [Fact]
    public void The_first_step_of_adam_has_the_size_of_the_learning_rate()
    {
        foreach (var gradient in new[] { 1e-3f, 1, 1e3f })
        {
            Assert.Equal(-0.01f, OptimizerRun.One(new Adam(), new OptimizerStep(0, 0.01f, 1), 0, gradient), 1e-6f);
        }
    }

    [Fact]
    public void A_moving_average_loses_neither_the_old_value_nor_the_new_one()
    {
        // g² = 10⁸, far above the old value 3, which is lost in their difference.
        var step = new OptimizerStep(5, 0, 1);
        var (first, second, squares) = (new float[] { 3 }, new float[] { 3 }, new float[] { 3 });
        new Adam().Update(step, [0], [1e4f], first, second, new float[1]);
        new RmsProp(0.999f).Update(step, [0], [1e4f], squares, [], new float[1]);
        Assert.Equal((0.9f * 3.0) + ((1 - 0.9f) * 1e4), first[0], 1e-7 * 1e3);
        Assert.Equal((0.999f * 3.0) + ((1 - 0.999f) * 1e8), second[0], 1e-7 * 1e5);
        Assert.Equal(second[0], squares[0]);

        // Without memory the new value alone counts, however large the old one was.
        (first[0], second[0]) = (1e10f, 1e10f);
        new Adam(0, 0).Update(step, [0], [1e-3f], first, second, new float[1]);
        Assert.Equal((1e-3f, 1e-3f * 1e-3f), (first[0], second[0]));
    }

    [Fact]
    public void Parameters_outside_their_range_are_refused()
    {
        Assert.Contains("momentum: alpha is 1", Assert.Throws<ArgumentOutOfRangeException>(static () => new Momentum(1)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(static () => new Nesterov(float.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new RmsProp(epsilon: 0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new RmsProp(decay: -0.1f));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new AdaGrad(0));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new Adam(beta1: 1));
        Assert.Throws<ArgumentOutOfRangeException>(static () => new AdamW(beta2: 1.5f));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_warm_update_allocates_nothing(int number)
    {
        var optimizer = OptimizerRun.All[number];
        var (weights, gradient, state) = (OptimizerRun.Uniform(1001, 1), OptimizerRun.Uniform(1001, 2), OptimizerRun.State(optimizer, 1001));
        var step = new OptimizerStep(1, 0.1f, 4) { WeightDecay = 0.1f, L1 = 0.1f, ClipValue = 1 };
        Assert.Equal(0, Allocation.Warm(() => optimizer.Update(step, weights, gradient, state[0], state[1], weights)));
    }

    [Fact]
    public void Lengths_that_differ_are_refused()
    {
        Assert.Throws<ArgumentException>(static () => new Sgd().Update(new OptimizerStep(0, 1, 1), [1, 2], [1], [], [], new float[2]));
        Assert.Throws<ArgumentException>(static () => new Sgd().Update(new OptimizerStep(0, 1, 1), [1, 2], [1, 2], [], [], new float[3]));
        Assert.Throws<ArgumentException>(static () => new Adam().Update(new OptimizerStep(0, 1, 1), [1, 2], [1, 2], new float[2], [], new float[2]));
        Assert.Throws<ArgumentException>(static () => new Adam().Update(new OptimizerStep(0, 1, 1), [1, 2], [1, 2], new float[3], new float[2], new float[2]));
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_state_vector_that_is_missing_or_short_is_refused(int number)
    {
        var optimizer = OptimizerRun.All[number];
        if (optimizer.StateVectors > 0)
        {
            Assert.Throws<ArgumentException>(() => optimizer.Update(new OptimizerStep(0, 1, 1), [1, 2], [1, 2], [], new float[2], new float[2]));
            Assert.Throws<ArgumentException>(() => optimizer.Update(new OptimizerStep(0, 1, 1), [1, 2], [1, 2], new float[1], new float[2], new float[2]));
        }
        else
        {
            optimizer.Update(new OptimizerStep(0, 1, 1), [1, 2], [1, 2], [], [], new float[2]);
        }

        Assert.Throws<ArgumentException>(() => optimizer.Update(new OptimizerStep(0, 1, 0), [1, 2], [1, 2], new float[2], new float[2], new float[2]));
    }
}
