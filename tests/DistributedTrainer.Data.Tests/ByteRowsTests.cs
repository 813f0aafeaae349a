namespace DistributedTrainer.Data.Tests;

/// <summary>Rows of bytes are preprocessed as they are read; the bits are those of the preprocessing itself.</summary>
public sealed class ByteRowsTests
{
    public static TheoryData<string> Steps => ["scale", "standardize", "min-max", "none"];

    [Theory]
    [MemberData(nameof(Steps))]
    public void A_row_of_bytes_has_the_bits_of_the_same_row_of_numbers(string name)
    {
        PreprocessingStep[] steps = name switch
        {
            "scale" => [new PreprocessingStep(PreprocessStep.Scale) { Factor = 1 / 255.0 }],
            "standardize" => [new PreprocessingStep(PreprocessStep.Standardize)],
            "min-max" => [new PreprocessingStep(PreprocessStep.MinMax)],
            _ => [],
        };
        var random = new Random(3);
        var bytes = new byte[5 * 37];
        random.NextBytes(bytes);
        var numbers = Tables.WithFeatures([.. Enumerable.Range(0, 5).Select(row => Array.ConvertAll(bytes[(row * 37)..((row + 1) * 37)], static value => (float)value))]);
        var dataset = numbers with { Features = new FeatureTable(37, bytes) };
        var split = DataSplit.None(dataset);
        var (expected, actual) = (new PreparedData(numbers, split, steps), new PreparedData(dataset, split, steps));
        for (var row = 0; row < 5; row++)
        {
            Assert.Equal(Tables.Row(expected, expected.Training, row), Tables.Row(actual, actual.Training, row));
        }

        int[] order = [4, 0, 3, 3, 1];
        var several = new float[order.Length * 37];
        actual.Training.CopyRows(order, several);
        Tables.AssertBits(order.SelectMany(row => Tables.Row(expected, expected.Training, row)).ToArray(), several);
    }
}
