using System.Reflection;

namespace DistributedTrainer.Dashboard.Serving;

/// <summary>The page's files, out of the assembly.</summary>
internal static class Assets
{
    private const string Prefix = "web/";

    private static readonly Assembly Assembly = typeof(Assets).Assembly;

    /// <summary>Path under the root → resource.</summary>
    public static IReadOnlyDictionary<string, string> Names { get; } =
        Assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToDictionary(static name => "/" + name[Prefix.Length..].Replace('\\', '/'), static name => name);

    /// <summary>A file's bytes.</summary>
    /// <param name="path">Such as /app.js.</param>
    public static byte[] Bytes(string path)
    {
        using var stream = Assembly.GetManifestResourceStream(Names[path])!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return bytes;
    }

    public static string Text(string path) => System.Text.Encoding.UTF8.GetString(Bytes(path));

    public static string TypeOf(string path) => Path.GetExtension(path) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
}
