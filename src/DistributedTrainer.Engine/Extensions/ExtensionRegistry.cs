using System.Reflection;

namespace DistributedTrainer.Engine.Extensions;

/// <summary>
/// The extensions of this process: what its owner has loaded, by file or by using a type. Names in experiments are looked up here and
/// nowhere else, so that nothing that comes over a network decides which code runs. May be used by several threads.
/// </summary>
public static class ExtensionRegistry
{
    private static readonly Lock Gate = new();
    private static volatile Extension[] _loaded = [];

    /// <summary>All of them, in the order of loading.</summary>
    public static IReadOnlyList<Extension> Loaded => _loaded;

    /// <summary>The names of all layers of extensions.</summary>
    public static IEnumerable<string> LayerNames => Kinds.Where(static kind => kind.IsLayer).Select(static kind => kind.Name);

    /// <summary>The names of all losses of extensions.</summary>
    public static IEnumerable<string> LossNames => Kinds.Where(static kind => !kind.IsLayer).Select(static kind => kind.Name);

    private static IEnumerable<ExtensionKind> Kinds => _loaded.SelectMany(static extension => extension.Kinds);

    /// <summary>Loads an assembly from this machine's disk. What it needs besides the trainer lies beside it, as a build puts it there.</summary>
    /// <param name="file">Its path.</param>
    /// <exception cref="ArgumentException">It cannot be loaded, or there is something in it that cannot be used; says why.</exception>
    public static Extension Load(string file)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        var path = Path.GetFullPath(file);
        if (!File.Exists(path))
        {
            throw new ArgumentException($"{file}: there is no such file. Name the .dll that your project with layers or losses builds.");
        }

        if (Array.Find(_loaded, extension => extension.File == path) is { } known)
        {
            return known;
        }

        try
        {
            return Use(new ExtensionLoadContext(path).LoadFromAssemblyPath(path));
        }
        catch (Exception problem) when (problem is BadImageFormatException or IOException or ReflectionTypeLoadException or TypeLoadException)
        {
            throw new ArgumentException($"{file}: it cannot be loaded: {(problem is ReflectionTypeLoadException { LoaderExceptions: [{ } first, ..] } ? first : problem).Message} Build it for this version of DistributedTrainer.Engine.", problem);
        }
    }

    /// <summary>Makes the layers and losses of an assembly known that is part of this program already. Using one of them does the same.</summary>
    /// <param name="assembly">Such as <c>typeof(MyLayer).Assembly</c>.</param>
    /// <exception cref="ArgumentException">There is nothing in it, or something that cannot be used, or a name that another extension has; says which.</exception>
    public static Extension Use(Assembly assembly)
    {
        ArgumentNullException.ThrowIfNull(assembly);
        lock (Gate)
        {
            var added = new Extension(assembly);
            if (Array.Find(_loaded, extension => extension.Name == added.Name) is { } before)
            {
                return before.Sha256 == added.Sha256
                    ? before
                    : throw new ArgumentException($"{added.Name}: an extension of this name is loaded already, from {before.File ?? "memory"} (SHA-256 {before.Sha256}). One process has one of a name.");
            }

            if (added.Kinds.Count == 0)
            {
                throw new ArgumentException($"{added.Name}: there are no layers or losses in it. They derive from CustomLayer or CustomLoss of DistributedTrainer.Engine, are public and not abstract.");
            }

            if (added.Kinds.FirstOrDefault(kind => Kinds.Any(other => other.Name == kind.Name)) is { } taken)
            {
                throw new ArgumentException($"{added.Name}: the name {taken.Name} is taken by {Kinds.First(other => other.Name == taken.Name).Extension.Name}. Choose another.");
            }

            _loaded = [.. _loaded, added];
            return added;
        }
    }

    /// <summary>A layer by its name in experiments; null: no extension has it.</summary>
    public static ExtensionKind? FindLayer(string name) => Kinds.FirstOrDefault(kind => kind.IsLayer && kind.Name == name);

    /// <summary>A loss by its name in experiments; null: no extension has it.</summary>
    public static ExtensionKind? FindLoss(string name) => Kinds.FirstOrDefault(kind => !kind.IsLayer && kind.Name == name);

    /// <summary>What a layer or loss is. Makes its assembly known, since whoever has an instance of it has loaded it.</summary>
    /// <param name="type">Its type.</param>
    /// <exception cref="ArgumentException">The assembly cannot be used; says why.</exception>
    public static ExtensionKind KindOf(Type type)
    {
        ArgumentNullException.ThrowIfNull(type);
        return Kinds.FirstOrDefault(kind => kind.Type == type)
            ?? Use(type.Assembly).Kinds.FirstOrDefault(kind => kind.Type == type)
            ?? throw new ArgumentException($"{type}: it is not public; or the assembly {type.Assembly.GetName().Name} is loaded twice, and this type is not that of the first: use the file of Load, or the assembly of the program, not both.");
    }
}
