using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace DistributedTrainer.Protocol.Tests;

/// <summary>Keeps the rooms of the house apart: reads project files, sources and settings.</summary>
public sealed class ArchitectureTests
{
    private const string Name = "DistributedTrainer.";

    // The project without a name of its own: the package of that name.
    private const string Library = "Library";

    // Project → what it may import. Cli → Dashboard, Cluster → Channels, Experiments, Data, Protocol → Engine; Library → Cluster.
    private static readonly Dictionary<string, string[]> Arrows = new()
    {
        ["Engine"] = [],
        ["Protocol"] = [],
        ["Channels"] = ["Protocol"],
        ["Data"] = ["Engine"],
        ["Experiments"] = ["Data", "Engine"],
        ["Cluster"] = ["Channels", "Data", "Engine", "Experiments", "Protocol"],
        [Library] = ["Channels", "Cluster", "Data", "Engine", "Experiments", "Protocol"],
        ["Dashboard"] = ["Channels", "Cluster", "Data", "Engine", "Experiments", "Protocol"],
        ["Cli"] = ["Channels", "Cluster", "Dashboard", "Data", "Engine", "Experiments", "Protocol"],
    };

    private static readonly string[] WithoutAkka = ["Engine", "Data", "Experiments", "Channels"];

    private static string Source => Path.Combine(Repository.Root, "src");

    [Fact]
    public void Every_project_has_its_place_in_the_house()
    {
        var projects = Projects().Select(project => project.Name).Order().ToArray();
        Assert.Superset(Arrows.Keys.ToHashSet(), projects.ToHashSet());
        Assert.Empty(projects.Except(Arrows.Keys));
    }

    /// <summary>Sample draws from the clock whatever its seed: what fails once would not fail again.</summary>
    [Fact]
    public void Properties_are_tested_on_cases_that_are_the_same_in_every_run()
    {
        var drawn = Directory.EnumerateFiles(Path.Combine(Repository.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(file => Path.GetFileName(file) != "SeededSamples.cs" && Path.GetFileName(file) != "ArchitectureTests.cs")
            .Where(file => File.ReadAllText(file) is var text && text.Contains("using CsCheck;", StringComparison.Ordinal) && Regex.IsMatch(text, @"\.Sample(?!Seeded)\w*\("));
        Assert.Empty(drawn);
    }

    [Fact]
    public void Projects_import_one_another_only_along_the_arrows()
    {
        var wrong =
            from project in Projects()
            from import in Includes(project.Xml, "ProjectReference").Select(path => NameOf(path))
            where !Arrows[project.Name].Contains(import)
            select $"{project.Name} → {import}";
        Assert.Empty(wrong);
    }

    /// <summary>The imports that make up the chain; exact where a project is as it shall stay.</summary>
    [Theory]
    [InlineData("Engine", "")]
    [InlineData("Protocol", "")]
    [InlineData("Channels", "Protocol")]
    [InlineData("Data", "Engine")]
    [InlineData("Experiments", "Data Engine")]
    [InlineData("Cluster", "Channels Data Engine Experiments Protocol")]
    [InlineData("Dashboard", "Cluster")]
    [InlineData("Library", "Channels Cluster Data Engine Experiments Protocol")]
    public void A_project_imports_exactly_its_neighbours(string name, string imports)
    {
        var project = Projects().Single(project => project.Name == name);
        var actual = Includes(project.Xml, "ProjectReference").Select(path => NameOf(path)).Order();
        Assert.Equal(imports.Split(' ', StringSplitOptions.RemoveEmptyEntries), actual);
    }

    /// <summary>The package holds the assemblies of other rooms, so that it has to name what those need.</summary>
    [Fact]
    public void The_package_needs_what_the_rooms_in_it_need()
    {
        var projects = Projects().ToDictionary(static project => project.Name, static project => project.Xml);
        var rooms = Arrows[Library].Where(static room => room != "Engine").ToArray();
        var needed = rooms.SelectMany(room => Includes(projects[room], "PackageReference")).Where(static package => package != "Akka.Analyzers");
        Assert.Subset(Includes(projects[Library], "PackageReference").ToHashSet(), needed.ToHashSet());
        Assert.Equal(rooms.Order(), projects[Library].Descendants("Room").Single().Attribute("Include")!.Value.Split(';').Order());
        Assert.Equal(["Engine", Library], projects.Where(static project => project.Value.Descendants("IsPackable").Any()).Select(static project => project.Key).Order());
    }

    [Fact]
    public void Unsafe_code_and_vector_intrinsics_stay_in_the_kernels_and_the_channels()
    {
        var forbidden = new Regex(@"\bunsafe\b|\bVector(128|256|512)\b|\bIntrinsics\b");
        string[] rooms = [Path.Combine(Source, Name + "Engine", "Kernels") + Path.DirectorySeparatorChar, Path.Combine(Source, Name + "Channels") + Path.DirectorySeparatorChar];
        var files = SourceFiles().ToArray();
        Assert.Contains(files, file => rooms.Any(file.StartsWith) && forbidden.IsMatch(Code(file)));
        Assert.DoesNotContain(files, file => !rooms.Any(file.StartsWith) && forbidden.IsMatch(Code(file)));
    }

    [Fact]
    public void Unsafe_blocks_are_allowed_in_the_engine_and_the_channels_only() =>
        Assert.Equal(["Channels", "Engine"], Projects().Where(project => project.Xml.Descendants("AllowUnsafeBlocks").Any()).Select(project => project.Name).Order());

    [Fact]
    public void Engine_data_experiments_and_channels_know_nothing_of_Akka()
    {
        foreach (var project in Projects().Where(project => WithoutAkka.Contains(project.Name)))
        {
            Assert.DoesNotContain(Includes(project.Xml, "PackageReference"), package => package.StartsWith("Akka", StringComparison.OrdinalIgnoreCase));
            Assert.DoesNotContain(SourceFiles(project.Name), file => Regex.IsMatch(Code(file), @"\bAkka\."));
        }
    }

    /// <summary>Actors route, plain classes decide: a file with an actor in it does not compute with tensors.</summary>
    [Fact]
    public void Actor_files_hold_no_mathematics()
    {
        var actors = SourceFiles().Where(file => file.EndsWith("Actor.cs", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(actors);
        Assert.DoesNotContain(actors, file => Regex.IsMatch(Code(file), @"\bDistributedTrainer\.Engine\.(Kernels|Operations|Autograd)\b|\bTensorPrimitives\b|\bMathF\b|\bVectorMath\b|\bSpan<float>"));
    }

    /// <summary>
    /// The wall's clock may be set at any time, so nothing that is decided may depend on it: durations come from a monotonic
    /// one. These files write time stamps and names.
    /// </summary>
    [Fact]
    public void The_wall_clock_is_for_time_stamps_alone()
    {
        var wall = new Regex(@"\bDateTime(Offset)?\.(UtcNow|Now|Today)\b|\bGet(Utc|Local)Now\b|\bTickCount\b|\b(Get)?(LastWrite|LastAccess|Creation)Time(Utc)?\b");
        string[] allowed =
        [
            "CoordinatorActor.cs", // the name of a run's folder
            "DataCache.cs", // whether a file changed since its checksum was noted
            "JsonLines.cs", // when an event of a log was
            "NodeCertificates.cs", // until when a certificate was valid, for whoever reads why it is refused
            "NodeClock.cs", // when a step was applied, for metrics.jsonl and the timeline, and how far clocks of hosts are apart
            "RunFolder.cs", // log.txt and cluster.jsonl; and how long a run was not watched, within bounds
            "RunShelf.cs", // whether a file that a visitor knows was replaced
            "RunTraces.cs", // when something that is traced began
            "StandingOrders.cs", // which of several interrupted runs goes on
            "TuneFolder.cs", // the name of a search's folder
        ];
        Assert.Equal(allowed, SourceFiles().Where(file => wall.IsMatch(Code(file))).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void No_message_carries_a_tensor()
    {
        var members = new HashSet<string>();
        foreach (var type in Samples.MessageTypes) Walk(type, type.FullName!, members);

        var bulk = members.Where(member => Regex.IsMatch(member, @": .*(Single|Half|Double\[\]|Byte\[\]|Memory|Span|Stream|Tensor)")).Order();
        // The losses and learning rates of the steps of one report: a number a step. Of a gradient one a tensor, of 128 at most. And
        // texts of run folders, in bounded pieces.
        Assert.Equal(
            [
                "DistributedTrainer.Protocol.Partitions+Measured.Squares: System.Double[]",
                "DistributedTrainer.Protocol.Partitions+StepsApplied.LearningRates: System.Double[]", "DistributedTrainer.Protocol.Partitions+StepsApplied.LossSums: System.Double[]",
                "DistributedTrainer.Protocol.RunFiles+Mark.Witness: System.Byte[]", "DistributedTrainer.Protocol.RunFiles+Piece.Bytes: System.Byte[]",
            ],
            bulk);
    }

    [Fact]
    public void Every_key_of_the_cluster_settings_has_a_comment_line_above_it()
    {
        var files = Directory.GetFiles(Path.Combine(Repository.Root, "cluster-config"), "*.conf");
        Assert.NotEmpty(files);
        var bare = new List<string>();
        foreach (var file in files)
        {
            var lines = File.ReadAllLines(file);
            for (var i = 0; i < lines.Length; i++)
            {
                var line = lines[i].Trim();
                var isKey = !line.StartsWith('#') && Regex.IsMatch(line, @"^[\w\.\-""][^{]*[=:]\s*[^\s{]");
                if (isKey && (i == 0 || !lines[i - 1].TrimStart().StartsWith('#'))) bare.Add($"{Path.GetFileName(file)}:{i + 1} {line}");
            }
        }

        Assert.Empty(bare);
    }

    /// <summary>The members of a message and of the records in it, as "Type.Member: Type".</summary>
    private static void Walk(Type type, string path, HashSet<string> members)
    {
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            var inner = property.PropertyType;
            if (!members.Add($"{path}.{property.Name}: {inner}")) continue;
            var element = inner.IsArray ? inner.GetElementType()! : Nullable.GetUnderlyingType(inner) ?? inner;
            if (element.Assembly == typeof(IProtocolMessage).Assembly) Walk(element, element.FullName!, members);
        }
    }

    private static IEnumerable<(string Name, XDocument Xml)> Projects() =>
        Directory.GetDirectories(Source, Name.TrimEnd('.') + "*")
            .SelectMany(folder => Directory.GetFiles(folder, "*.csproj"))
            .Select(file => (NameOf(file), XDocument.Load(file)));

    private static string NameOf(string projectFile) => Path.GetFileNameWithoutExtension(projectFile.Replace('\\', '/')) is var name && name.Length > Name.Length ? name[Name.Length..] : Library;

    private static IEnumerable<string> Includes(XDocument project, string element) =>
        project.Descendants(element).Select(reference => reference.Attribute("Include")?.Value).OfType<string>();

    private static IEnumerable<string> SourceFiles(string project = "*") =>
        Directory.GetDirectories(Source, project == "*" ? "*" : Name + project)
            .SelectMany(folder => Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories))
            .Where(file => !Regex.IsMatch(Path.GetRelativePath(Source, file), @"[\\/](bin|obj)[\\/]"));

    // Without comments: they may speak of what the code does not do.
    private static string Code(string file) => Regex.Replace(File.ReadAllText(file), @"^\s*//.*$|\s//.*$", "", RegexOptions.Multiline);
}
