using System.Security.Cryptography;

namespace DistributedTrainer.Data;

/// <summary>SHA-256 of a file in hexadecimal; of a large one computed once, as long as it does not change.</summary>
internal static class FileDigest
{
    private const long Large = 64L << 20;

    public static string Of(string path) => new FileInfo(path).Length > Large
        ? DataCache.Remembered("file", [path], () => Computed(path)) : Computed(path);

    private static string Computed(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}
