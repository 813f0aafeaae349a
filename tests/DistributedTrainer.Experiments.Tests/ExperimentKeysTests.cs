using System.Text;

namespace DistributedTrainer.Experiments.Tests;

public sealed class ExperimentKeysTests
{
    public static TheoryData<string, Type> Sections => new()
    {
        { "data", typeof(DataOptions) },
        { "training", typeof(TrainingOptions) },
        { "cluster", typeof(ClusterOptions) },
        { "checkpoint", typeof(CheckpointOptions) },
    };

    [Theory]
    [MemberData(nameof(Sections))]
    public void Every_key_of_a_section_is_known_to_completion(string section, Type options)
    {
        var written = options.GetProperties().Where(static property => property.CanWrite && property.GetMethod!.IsPublic).Select(property => $"{section}.{Kebab(property.Name)}");
        Assert.Equal(written.Order(StringComparer.Ordinal), ExperimentKeys.All.Where(key => key.StartsWith(section + ".", StringComparison.Ordinal)));
    }

    private static string Kebab(string pascal)
    {
        var text = new StringBuilder();
        foreach (var letter in pascal)
        {
            text.Append(char.IsUpper(letter) && text.Length > 0 ? "-" : "").Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }
}
