using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace DistributedTrainer.Cli.Tests.Deployment;

/// <summary>HOCON files: each key says what it is for, and none repeats what holds without it.</summary>
public sealed class NodeConfigurationFilesTests
{
    public static TheoryData<string> Files => [.. Names];

    private static IEnumerable<string> Names => Directory.GetFiles(Path.Combine(RepositoryFiles.Root, "cluster-config"), "*.conf").Select(static file => Path.GetFileName(file));

    [Fact]
    public void There_is_a_file_for_each_role_and_one_for_development() =>
        Assert.Equal(["coordinator.conf", "development.conf", "node.conf", "server.conf", "worker.conf"], Names.Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Files))]
    public void It_parses_and_repeats_no_default(string name)
    {
        var config = ConfigurationFactory.ParseString(RepositoryFiles.Read("cluster-config", name));
        var below = Below(name);
        var keys = Keys(config.Root.GetObject(), "").ToArray();
        Assert.NotEmpty(keys);
        Assert.Empty(keys.Where(key => below.HasPath(key.Path) && Text(below.GetValue(key.Path)) == key.Value).Select(key => $"{name}: {key.Path} = {key.Value} is the default."));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_key_has_a_comment(string name)
    {
        var before = "";
        foreach (var line in RepositoryFiles.Read("cluster-config", name).Split('\n').Select(static line => line.Trim()))
        {
            if (line.Contains(" = ", StringComparison.Ordinal) && !line.StartsWith('#'))
            {
                Assert.True(before.StartsWith('#'), $"{name}: '{line}' has no comment above it.");
            }

            before = line;
        }
    }

    /// <summary>What holds where the file says nothing.</summary>
    private static Config Below(string name)
    {
        var reference = ClusterSingleton.DefaultConfig()
            .WithFallback(ConfigurationFactory.FromResource("Akka.Cluster.Configuration.Cluster.conf", typeof(Akka.Cluster.Cluster).Assembly))
            .WithFallback(ConfigurationFactory.FromResource("Akka.Remote.Configuration.Remote.conf", typeof(Akka.Remote.RemoteSettings).Assembly))
            .WithFallback(ConfigurationFactory.Default());
        return name == "node.conf" ? reference : ConfigurationFactory.ParseString(RepositoryFiles.Read("cluster-config", "node.conf")).WithFallback(reference);
    }

    private static IEnumerable<(string Path, string Value)> Keys(HoconObject node, string prefix) =>
        node.Items.SelectMany(pair => Joined(prefix, pair.Key) is var path && pair.Value.IsObject()
            ? Keys(pair.Value.GetObject(), path)
            : [(Joined(prefix, pair.Key), Text(pair.Value))]);

    private static string Joined(string prefix, string key)
    {
        var quoted = key.Any(static letter => !char.IsLetterOrDigit(letter) && letter is not '-' and not '_') ? $"\"{key}\"" : key;
        return prefix.Length == 0 ? quoted : $"{prefix}.{quoted}";
    }

    private static string Text(HoconValue value) => value.IsArray() ? string.Join(',', value.GetStringList()) : value.GetString();
}
