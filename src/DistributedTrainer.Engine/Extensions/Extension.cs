using System.Reflection;
using System.Security.Cryptography;

namespace DistributedTrainer.Engine.Extensions;

/// <summary>An assembly with layers and losses of its own, as it was loaded into this process by whoever owns the process.</summary>
public sealed class Extension
{
    /// <exception cref="ArgumentException">There is nothing in it, or something that cannot be used.</exception>
    internal Extension(Assembly assembly)
    {
        Name = assembly.GetName().Name ?? "";
        File = assembly.Location is { Length: > 0 } path ? path : null;

        // Without a file, in a single-file program or made in memory, the compiler's own identity of the module says as much.
        Sha256 = File is null ? $"module-{assembly.ManifestModule.ModuleVersionId:N}" : Convert.ToHexStringLower(SHA256.HashData(System.IO.File.ReadAllBytes(File)));
        Kinds = ExtensionKind.Of(assembly.GetTypes().Where(static type => type.IsVisible), this);
    }

    /// <summary>The assembly's name.</summary>
    public string Name { get; }

    /// <summary>Its file; null: it has none.</summary>
    public string? File { get; }

    /// <summary>SHA-256 of the file in lower-case hexadecimal: what nodes of a cluster compare.</summary>
    public string Sha256 { get; }

    /// <summary>What is in it.</summary>
    public IReadOnlyList<ExtensionKind> Kinds { get; }

    /// <summary>Name and checksum, as nodes tell each other.</summary>
    public override string ToString() => $"{Name} {Sha256}";
}
