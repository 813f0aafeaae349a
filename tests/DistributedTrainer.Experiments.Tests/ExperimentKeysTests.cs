using DistributedTrainer.Experiments.Reading;

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
        var written = options.GetProperties().Where(static property => property.CanWrite && property.GetMethod!.IsPublic).Select(property => $"{section}.{Names.Kebab(property.Name)}");
        Assert.Equal(written.Order(StringComparer.Ordinal), ExperimentKeys.All.Where(key => key.StartsWith(section + ".", StringComparison.Ordinal)));
    }
}
