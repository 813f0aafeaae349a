using System.Reflection;
using System.Runtime.Loader;

namespace DistributedTrainer.Engine.Extensions;

/// <summary>Loads an extension with what lies beside it; what this program has is the same for both.</summary>
internal sealed class ExtensionLoadContext(string path) : AssemblyLoadContext(Path.GetFileNameWithoutExtension(path))
{
    private readonly AssemblyDependencyResolver _resolver = new(path);

    protected override Assembly? Load(AssemblyName name)
    {
        try
        {
            return Default.LoadFromAssemblyName(name);
        }
        catch (FileNotFoundException)
        {
            return _resolver.ResolveAssemblyToPath(name) is { } file ? LoadFromAssemblyPath(file) : null;
        }
    }
}
