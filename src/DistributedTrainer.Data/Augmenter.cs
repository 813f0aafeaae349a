using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>How training rows are varied.</summary>
public enum AugmentKind
{
    /// <summary>An image moves by whole pixels, up to the amount in each direction, each distance equally likely.</summary>
    Shift,

    /// <summary>An image is mirrored left to right with probability ½; the amount does not matter.</summary>
    Flip,

    /// <summary>An image turns about its centre by an angle from -amount to +amount degrees.</summary>
    Rotate,

    /// <summary>Each value gets a normal number added; the amount is its standard deviation.</summary>
    Noise,

    /// <summary>An image grows or shrinks about its centre by a factor from 1 - amount to 1 + amount.</summary>
    ScaleJitter,
}

/// <summary>One kind of variation.</summary>
/// <param name="Kind">What varies.</param>
/// <param name="Amount">How much: pixels, degrees, a standard deviation or a share, as <see cref="AugmentKind"/> says.</param>
public sealed record AugmentStep(AugmentKind Kind, double Amount = 0);

/// <summary>
/// Varies training rows after preprocessing, step by step in the order given. What a row becomes depends on the row and
/// its random stream alone. What comes into an image from outside repeats its edge: 0 would not be the background any
/// more once pixels are standardized. Rotation and scaling interpolate linearly between the four nearest pixels.
/// Not thread-safe: one for each thread.
/// </summary>
/// <param name="steps">Checked with <see cref="Problem"/>.</param>
public sealed class Augmenter(IReadOnlyList<AugmentStep> steps)
{
    private float[] _source = [];

    /// <summary>What is wrong with a step for rows of this shape; null: nothing.</summary>
    public static string? Problem(AugmentStep step, Shape shape)
    {
        var (name, amount) = (step.Kind == AugmentKind.ScaleJitter ? "scale-jitter" : step.Kind.ToString().ToLowerInvariant(), step.Amount);
        if (step.Kind != AugmentKind.Noise && shape.Rank != 3)
        {
            return $"data.augment: {name} needs images (channels, height, width), but a row is {shape}. Write data.image: [channels, height, width], or use noise.";
        }

        var valid = step.Kind switch
        {
            AugmentKind.Shift => amount >= 1 && amount == Math.Floor(amount) && amount < Math.Min(shape[1], shape[2]) ? null : $"whole pixels, from 1 to {Math.Min(shape[1], shape[2]) - 1}",
            AugmentKind.Rotate => amount is > 0 and <= 180 ? null : "degrees, above 0 and up to 180",
            AugmentKind.Noise => amount > 0 && amount <= float.MaxValue ? null : "a standard deviation above 0",
            AugmentKind.ScaleJitter => amount is > 0 and < 1 ? null : "a share between 0 and 1",
            _ => null,
        };
        return valid is null ? null : $"data.augment: {name} is {amount}; it takes {valid}.";
    }

    /// <summary>The stream of one row of a leaf: the same whichever leaves are computed together.</summary>
    /// <param name="seed">The experiment's seed.</param>
    /// <param name="step">The training step.</param>
    /// <param name="shard">The leaf's shard.</param>
    /// <param name="row">The row's place in the leaf, from 0.</param>
    public static RandomStream Stream(ulong seed, long step, int shard, int row) => new(seed, RandomPurpose.Augment, step, shard, row);

    /// <summary>Varies one row in place.</summary>
    /// <param name="row">(shape.Elements), preprocessed.</param>
    /// <param name="shape">(channels, height, width) of an image, or anything where there is noise only.</param>
    /// <param name="stream">The row's own, see <see cref="Stream"/>.</param>
    /// <exception cref="ArgumentException">A step is not possible for this shape, or the row has another length.</exception>
    public void Apply(Span<float> row, Shape shape, RandomStream stream)
    {
        if (row.Length != shape.Elements)
        {
            throw new ArgumentException($"augment: the row has {row.Length} values, its shape {shape} has {shape.Elements}. Give the shape after preprocessing.", nameof(row));
        }

        for (var i = 0; i < steps.Count; i++)
        {
            if (Problem(steps[i], shape) is { } problem)
            {
                throw new ArgumentException(problem, nameof(shape));
            }

            // Each step has 2^32 elements of the stream for itself.
            Apply(steps[i], row, shape, stream, (long)i << 32);
        }
    }

    private void Apply(AugmentStep step, Span<float> row, Shape shape, RandomStream stream, long element)
    {
        switch (step.Kind)
        {
            case AugmentKind.Shift:
                var distances = (2 * (int)step.Amount) + 1;
                Shift(row, shape, stream.Below(element, distances) - (int)step.Amount, stream.Below(element + 1, distances) - (int)step.Amount);
                break;
            case AugmentKind.Flip:
                for (var start = 0; start < row.Length && (stream.Bits(element) & 1) != 0; start += shape[2])
                {
                    row.Slice(start, shape[2]).Reverse();
                }

                break;
            case AugmentKind.Rotate:
                var angle = Spread(step, stream, element) * (3.14159265358979323846 / 180);
                Warp(row, shape, PortableMath.Cos(angle), PortableMath.Sin(angle));
                break;
            case AugmentKind.Noise:
                for (var i = 0; i < row.Length; i++)
                {
                    row[i] = (float)(row[i] + (step.Amount * stream.Normal(element + i)));
                }

                break;
            case AugmentKind.ScaleJitter:
                Warp(row, shape, 1 / (1 + Spread(step, stream, element)), 0);
                break;
            default:
                throw new ArgumentException($"augment: {step.Kind} is not built.", nameof(step));
        }
    }

    // Uniform from -amount to +amount.
    private static double Spread(AugmentStep step, RandomStream stream, long element) => step.Amount * ((2.0 * stream.Uniform(element)) - 1);

    private void Shift(Span<float> row, Shape shape, int down, int right)
    {
        var (height, width) = (shape[1], shape[2]);
        var source = Copy(row);
        for (var i = 0; i < row.Length; i++)
        {
            var (line, x) = (i / width, i % width);
            var (plane, y) = (line / height * height, line % height);
            row[i] = source[((plane + Math.Clamp(y - down, 0, height - 1)) * width) + Math.Clamp(x - right, 0, width - 1)];
        }
    }

    /// <summary>The pixel at (x, y) from the centre comes from (a·x + b·y, a·y − b·x): a turn by the angle, or a change of size.</summary>
    private void Warp(Span<float> row, Shape shape, double a, double b)
    {
        var (height, width) = (shape[1], shape[2]);
        var (middleY, middleX) = ((height - 1) / 2.0, (width - 1) / 2.0);
        var source = Copy(row);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var fromX = Math.Clamp(middleX + (a * (x - middleX)) + (b * (y - middleY)), 0, width - 1);
                var fromY = Math.Clamp(middleY + (a * (y - middleY)) - (b * (x - middleX)), 0, height - 1);
                var (left, top) = ((int)fromX, (int)fromY);
                var (right, bottom) = (Math.Min(left + 1, width - 1), Math.Min(top + 1, height - 1));
                var (shareX, shareY) = (fromX - left, fromY - top);
                for (var plane = 0; plane < row.Length; plane += height * width)
                {
                    var upper = Between(source[plane + (top * width) + left], source[plane + (top * width) + right], shareX);
                    var lower = Between(source[plane + (bottom * width) + left], source[plane + (bottom * width) + right], shareX);
                    row[plane + (y * width) + x] = (float)Between(upper, lower, shareY);
                }
            }
        }
    }

    private static double Between(double from, double to, double share) => from + ((to - from) * share);

    private ReadOnlySpan<float> Copy(ReadOnlySpan<float> row)
    {
        if (_source.Length < row.Length)
        {
            _source = new float[row.Length];
        }

        row.CopyTo(_source);
        return _source.AsSpan(0, row.Length);
    }
}
