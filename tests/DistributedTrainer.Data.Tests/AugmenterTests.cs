using DistributedTrainer.Engine.Random;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data.Tests;

public class AugmenterTests
{
    private static readonly Shape Image = new(2, 5, 7);

    private static float[] Ramp(Shape shape) => [.. Enumerable.Range(0, shape.Elements).Select(static value => (float)value)];

    private static float[] Apply(AugmentStep step, float[] row, Shape shape, int place = 0, ulong seed = 1)
    {
        var copy = row.ToArray();
        new Augmenter([step]).Apply(copy, shape, Augmenter.Stream(seed, 3, 2, place));
        return copy;
    }

    [Fact]
    public void The_same_names_give_the_same_bits_whichever_rows_are_computed_before()
    {
        AugmentStep[] steps = [new(AugmentKind.Shift, 2), new(AugmentKind.Flip), new(AugmentKind.Rotate, 30), new(AugmentKind.ScaleJitter, 0.2), new(AugmentKind.Noise, 0.1)];
        var alone = Enumerable.Range(0, 10).Select(place =>
        {
            var row = Ramp(Image);
            new Augmenter(steps).Apply(row, Image, Augmenter.Stream(1, 3, 2, place));
            return row;
        }).ToArray();

        var used = new Augmenter(steps);
        for (var place = 9; place >= 0; place--)
        {
            used.Apply(new float[200], new Shape(2, 10, 10), Augmenter.Stream(8, 0, 1, place));
            var row = Ramp(Image);
            used.Apply(row, Image, Augmenter.Stream(1, 3, 2, place));
            Assert.Equal(alone[place], row);
        }
    }

    [Fact]
    public void The_bits_are_those_that_were_once_computed()
    {
        // Guards against a change of the library or of the platform: the values are of this code, not of another program.
        var row = new float[] { 0.25f, -1, 3, 0.5f, 2, -0.125f, 7, 1, 0 };
        new Augmenter([new(AugmentKind.Shift, 1), new(AugmentKind.Flip), new(AugmentKind.Rotate, 30), new(AugmentKind.ScaleJitter, 0.2), new(AugmentKind.Noise, 0.1)])
            .Apply(row, new Shape(1, 3, 3), Augmenter.Stream(42, 1, 0, 0));

        Assert.Equal("3f6d1fe8 bed21b65 3edf5e27 3f876920 400494fe 4032b12f 3dd146ac 3f0a86ac 407f6467", string.Join(' ', row.Select(static value => BitConverter.SingleToUInt32Bits(value).ToString("x8", null))));
    }

    [Fact]
    public void Every_row_varies_in_its_own_way()
    {
        var rows = Enumerable.Range(0, 20).Select(place => string.Join(' ', Apply(new(AugmentKind.Noise, 0.1), Ramp(Image), Image, place))).ToArray();

        Assert.Equal(20, rows.Distinct().Count());
        Assert.NotEqual(Apply(new(AugmentKind.Noise, 0.1), Ramp(Image), Image, seed: 1), Apply(new(AugmentKind.Noise, 0.1), Ramp(Image), Image, seed: 2));
    }

    [Fact]
    public void Shift_moves_all_channels_by_the_same_whole_pixels_and_repeats_the_edge()
    {
        var source = Ramp(Image);
        var seen = new HashSet<(int, int)>();
        for (var place = 0; place < 200; place++)
        {
            var result = Apply(new(AugmentKind.Shift, 2), source, Image, place);
            var match = (from down in Enumerable.Range(-2, 5)
                         from right in Enumerable.Range(-2, 5)
                         where result.SequenceEqual(Moved(source, down, right))
                         select (down, right)).ToArray();
            seen.Add(Assert.Single(match));
        }

        Assert.Equal(25, seen.Count);

        static float[] Moved(float[] source, int down, int right) =>
            [.. from channel in Enumerable.Range(0, 2)
                from y in Enumerable.Range(0, 5)
                from x in Enumerable.Range(0, 7)
                select source[(channel * 35) + (Math.Clamp(y - down, 0, 4) * 7) + Math.Clamp(x - right, 0, 6)]];
    }

    [Fact]
    public void Flip_mirrors_about_half_of_the_rows()
    {
        var source = Ramp(Image);
        float[] mirrored = [.. source.Chunk(7).SelectMany(static line => line.Reverse())];
        var flipped = 0;
        for (var place = 0; place < 400; place++)
        {
            var result = Apply(new(AugmentKind.Flip), source, Image, place);
            Assert.True(result.SequenceEqual(source) || result.SequenceEqual(mirrored));
            flipped += result.SequenceEqual(mirrored) ? 1 : 0;
        }

        // 200 expected, standard deviation 10.
        Assert.InRange(flipped, 150, 250);
    }

    [Fact]
    public void Noise_has_the_standard_deviation_that_was_asked_for()
    {
        var noise = Enumerable.Range(0, 50).SelectMany(place => Apply(new(AugmentKind.Noise, 0.5), new float[200], new Shape(200), place)).Select(static value => (double)value).ToArray();

        // 10,000 values: the mean's standard error is 0.005, the deviation's 0.0035.
        Assert.Equal(0, noise.Average(), 0.025);
        Assert.Equal(0.5, Math.Sqrt(noise.Average(static value => value * value)), 0.02);
        Assert.Equal(10_000, noise.Distinct().Count(), 10.0);
    }

    [Theory]
    [InlineData(AugmentKind.Rotate, 180)]
    [InlineData(AugmentKind.ScaleJitter, 0.9)]
    public void Turning_and_scaling_keep_an_image_of_one_colour(AugmentKind kind, double amount)
    {
        float[] colour = [.. Enumerable.Repeat(0.3f, Image.Elements)];
        for (var place = 0; place < 50; place++)
        {
            Assert.Equal(colour, Apply(new(kind, amount), colour, Image, place));
        }
    }

    [Fact]
    public void Rotation_turns_about_the_centre()
    {
        // On a plane f(x, y) = x, linear interpolation is exact: the turned image is cos·x + sin·y.
        var shape = new Shape(1, 9, 9);
        float[] plane = [.. Enumerable.Range(0, 81).Select(static i => (float)((i % 9) - 4))];
        for (var place = 0; place < 50; place++)
        {
            var angle = 60 * ((2.0 * Augmenter.Stream(1, 3, 2, place).Uniform(0)) - 1) * Math.PI / 180;
            var result = Apply(new(AugmentKind.Rotate, 60), plane, shape, place);
            for (var i = 0; i < 81; i++)
            {
                var (y, x) = ((i / 9) - 4, (i % 9) - 4);
                if (Math.Sqrt((x * x) + (y * y)) <= 4)
                {
                    Assert.Equal((Math.Cos(angle) * x) + (Math.Sin(angle) * y), result[i], 1e-5);
                }
            }
        }
    }

    [Fact]
    public void Scaling_grows_and_shrinks_about_the_centre()
    {
        var shape = new Shape(1, 9, 9);
        float[] plane = [.. Enumerable.Range(0, 81).Select(static i => (float)((i % 9) - 4))];
        var factors = Enumerable.Range(0, 100).Select(place => 2 / Apply(new(AugmentKind.ScaleJitter, 0.4), plane, shape, place)[(4 * 9) + 6]).ToArray();

        Assert.All(factors, static factor => Assert.InRange(factor, 0.6f - 1e-5f, 1.4f + 1e-5f));
        Assert.InRange(factors.Min(), 0.6f - 1e-5f, 0.7f);
        Assert.InRange(factors.Max(), 1.3f, 1.4f + 1e-5f);
    }

    [Theory]
    [InlineData(AugmentKind.Shift, 5, "whole pixels, from 1 to 4")]
    [InlineData(AugmentKind.Shift, 0.5, "whole pixels")]
    [InlineData(AugmentKind.Rotate, 181, "degrees")]
    [InlineData(AugmentKind.Noise, 0, "a standard deviation above 0")]
    [InlineData(AugmentKind.Noise, double.NaN, "a standard deviation above 0")]
    [InlineData(AugmentKind.ScaleJitter, 1, "data.augment: scale-jitter is 1; it takes a share between 0 and 1")]
    public void Amounts_that_make_no_sense_are_refused(AugmentKind kind, double amount, string message)
    {
        Assert.Contains(message, Augmenter.Problem(new(kind, amount), Image));
        Assert.Contains(message, Assert.Throws<ArgumentException>(() => Apply(new(kind, amount), Ramp(Image), Image)).Message);
    }

    [Fact]
    public void Rows_that_are_no_images_take_noise_only()
    {
        Assert.Null(Augmenter.Problem(new(AugmentKind.Noise, 1), new Shape(64)));
        Assert.Contains("shift needs images (channels, height, width), but a row is 64", Augmenter.Problem(new(AugmentKind.Shift, 1), new Shape(64)));
        Assert.Throws<ArgumentException>(() => Apply(new(AugmentKind.Noise, 1), new float[63], new Shape(64)));
    }

    [Fact]
    public void Streams_of_augmentation_are_those_of_its_purpose() =>
        Assert.Equal(new RandomStream(5, RandomPurpose.Augment, 6, 7, 8).Bits(9), Augmenter.Stream(5, 6, 7, 8).Bits(9));
}
