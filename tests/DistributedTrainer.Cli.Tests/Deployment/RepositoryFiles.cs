using YamlDotNet.Core;
using YamlDotNet.Serialization;

namespace DistributedTrainer.Cli.Tests.Deployment;

/// <summary>Files of the project that are no code.</summary>
internal static class RepositoryFiles
{
    public static string Root { get; } = Find(new DirectoryInfo(AppContext.BaseDirectory));

    public static string Read(params string[] path) => File.ReadAllText(Path.Combine([Root, .. path]));

    /// <summary>The documents of a YAML file, with its anchors followed.</summary>
    public static IReadOnlyList<IDictionary<object, object>> Yaml(params string[] path)
    {
        var parser = new MergingParser(new Parser(new StringReader(Read(path))));
        var deserializer = new DeserializerBuilder().Build();
        var documents = new List<IDictionary<object, object>>();
        parser.Consume<YamlDotNet.Core.Events.StreamStart>();
        while (parser.Accept<YamlDotNet.Core.Events.DocumentStart>(out _))
        {
            documents.Add(deserializer.Deserialize<Dictionary<object, object>>(parser));
        }

        return documents;
    }

    /// <summary>What stands at a path of keys and places; throws, with the path, where there is nothing.</summary>
    public static object At(this object node, params object[] path)
    {
        foreach (var key in path)
        {
            node = node switch
            {
                IDictionary<object, object> map when map.TryGetValue(key, out var value) => value,
                IList<object> list when key is int place && place < list.Count => list[place],
                _ => throw new Xunit.Sdk.XunitException($"{string.Join('.', path)}: there is no {key}"),
            };
        }

        return node;
    }

    public static bool Has(this object node, string key) => node is IDictionary<object, object> map && map.ContainsKey(key);

    private static string Find(DirectoryInfo? folder)
    {
        for (; folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "DistributedTrainer.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no DistributedTrainer.sln above {AppContext.BaseDirectory}");
    }
}
