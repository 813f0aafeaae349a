using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using DistributedTrainer.Dashboard.Following;
using DistributedTrainer.Dashboard.Reviews;
using DistributedTrainer.Dashboard.Serving;

namespace DistributedTrainer.Dashboard.Reports;

/// <summary>
/// <c>report.html</c>: one file that shows a run without the program, the run folder or a network. It holds the run's data,
/// the dashboard's views and the charting library.
/// </summary>
public static partial class ReportPage
{
    /// <summary>The file's name in a run's folder.</summary>
    public const string FileName = "report.html";

    // A module comes after those that it imports.
    private static readonly string[] Modules = ["dom", "store", "charts", "overview", "cluster", "model", "review", "experiment", "report"];

    /// <summary>Writes it, over one that is there.</summary>
    /// <param name="runDirectory">The run.</param>
    /// <param name="quickOnly">Whether an evaluation that takes long is left out, with a word that it is.</param>
    /// <returns>Its path.</returns>
    /// <exception cref="IOException">There is no run, or the file cannot be written.</exception>
    public static string Write(string runDirectory, bool quickOnly)
    {
        runDirectory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(runDirectory));
        if (!File.Exists(Path.Combine(runDirectory, "experiment.yaml")))
        {
            throw new FileNotFoundException($"{runDirectory}: there is no run in it: experiment.yaml is missing. Name the folder that dtrain train has printed.");
        }

        var path = Path.Combine(runDirectory, FileName);
        File.WriteAllText(path + ".tmp", Html(Collect(runDirectory, quickOnly)));
        File.Move(path + ".tmp", path, overwrite: true);
        return path;
    }

    internal static ReportData Collect(string runDirectory, bool quickOnly)
    {
        var course = new RunCourse(runDirectory);
        course.Refresh();
        var run = course.Take(Path.GetFileName(runDirectory), new RunCursor());
        var (missing, noLayers) = (new List<string>(), new List<string>());
        var review = Try(problems => ModelReview.Evaluate(runDirectory, quickOnly, problems), missing);
        var layers = Try(problems => ModelReview.Layers(runDirectory, problems), noLayers);
        return new ReportData(run, layers, review, missing, $"dtrain train {Path.Combine(runDirectory, "experiment.yaml")}");
    }

    internal static string Html(ReportData data)
    {
        var run = WebUtility.HtmlEncode(data.Run.Run);
        var json = JsonSerializer.Serialize(data, DashboardJson.Default.ReportData);
        var (library, script) = (Assets.Text("/vendor/uplot.js"), Script());
        var style = Assets.Text("/vendor/uplot.css") + Assets.Text("/page.css");

        // The data's own signs < and > are written as escapes: nothing in it can end its element.
        return $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src '{Hash(library)}' '{Hash(script)}'; style-src '{Hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'">
            <title>{run} · report</title>
            <style>{style}</style>
            </head>
            <body>
            <header class="bar"><h1>{run}</h1></header>
            <div class="columns"><main id="main"><div id="parts"></div>
            <noscript>{Plain(data)}</noscript></main></div>
            <script type="application/json" id="data">{json}</script>
            <script>{library}</script>
            <script type="module">{script}</script>
            </body>
            </html>

            """;
    }

    /// <summary>The modules as one: imports go, and so does the word export.</summary>
    internal static string Script() =>
        string.Concat(Modules.Select(static name => Export().Replace(Import().Replace(Assets.Text($"/{name}.js"), ""), "")));

    /// <summary>For whoever has no scripts: the result as it is.</summary>
    private static string Plain(ReportData data) =>
        $"<pre>{WebUtility.HtmlEncode(data.Run.State?.Result is { } result ? result.GetRawText() : data.Run.State?.Ended ?? "The run goes on.")}</pre><pre>{WebUtility.HtmlEncode(data.Run.State?.Experiment)}</pre>";

    private static string Hash(string text) => $"sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";

    private static T? Try<T>(Func<List<string>, T?> compute, List<string> problems)
        where T : class
    {
        try
        {
            return compute(problems);
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException or NotFiniteNumberException)
        {
            problems.Add(problem.Message);
            return null;
        }
    }

    [GeneratedRegex(@"^import .*\n", RegexOptions.Multiline)]
    private static partial Regex Import();

    [GeneratedRegex("^export ", RegexOptions.Multiline)]
    private static partial Regex Export();
}
