using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using DistributedTrainer.Dashboard.Following;
using DistributedTrainer.Dashboard.Reviews;
using Microsoft.AspNetCore.Http;

namespace DistributedTrainer.Dashboard.Serving;

/// <summary>Why there is no answer.</summary>
internal sealed record Problem(IReadOnlyList<string> Problems);

/// <summary>Answers what has to be computed, on demand: one at a time, and of one state of a run once.</summary>
/// <param name="catalogue">The runs.</param>
/// <param name="elsewhere">Why nothing can be computed here; null: it can.</param>
internal sealed class Reviewer(RunCatalogue catalogue, string? elsewhere = null) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1);
    private readonly ConcurrentDictionary<string, (string State, ModelPage Page)> _layers = new();
    private readonly ConcurrentDictionary<string, (string State, ReviewPage Page)> _reviews = new();

    public Task Layers(HttpContext context) =>
        Answer(context, _layers, DashboardJson.Default.ModelPage, static (directory, problems, _) => ModelReview.Layers(directory, problems));

    public Task Evaluate(HttpContext context) =>
        Answer(context, _reviews, DashboardJson.Default.ReviewPage, static (directory, problems, cancel) => ModelReview.Evaluate(directory, quickOnly: false, problems, cancel));

    public void Dispose() => _one.Dispose();

    private async Task Answer<T>(
        HttpContext context, ConcurrentDictionary<string, (string State, T Page)> known, JsonTypeInfo<T> form, Func<string, ICollection<string>, CancellationToken, T?> compute)
        where T : class
    {
        var id = context.Request.Query["run"].ToString();
        if (catalogue.Find(id) is not { } follower)
        {
            await Refuse(context, StatusCodes.Status404NotFound, ["There is no run of that name."]);
            return;
        }

        if (elsewhere is not null)
        {
            await Refuse(context, StatusCodes.Status409Conflict, [elsewhere]);
            return;
        }

        var stop = context.RequestAborted;
        await _one.WaitAsync(stop);
        try
        {
            var state = StateOf(follower.Course.Directory);
            var problems = new List<string>();
            if (known.TryGetValue(id, out var before) && before.State == state)
            {
                await Write(context, before.Page, form);
                return;
            }

            // Its own thread: the pool's belong to whoever else is in this process.
            var page = await Task.Factory.StartNew(() => Compute(), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (page is null)
            {
                await Refuse(context, StatusCodes.Status409Conflict, problems);
                return;
            }

            known[id] = (state, page);
            await Write(context, page, form);

            T? Compute()
            {
                try
                {
                    return compute(follower.Course.Directory, problems, stop);
                }
                catch (Exception problem) when (problem is IOException or UnauthorizedAccessException or InvalidDataException or NotFiniteNumberException or JsonException)
                {
                    problems.Add(problem.Message);
                    return null;
                }
            }
        }
        finally
        {
            _one.Release();
        }
    }

    /// <summary>What an answer depends on: the result, or else the checkpoints.</summary>
    private static string StateOf(string directory)
    {
        var (result, checkpoints) = (Path.Combine(directory, "result.json"), Path.Combine(directory, "checkpoints"));
        return File.Exists(result) ? File.ReadAllText(result)
            : Directory.Exists(checkpoints) ? string.Join(' ', Directory.EnumerateDirectories(checkpoints).Where(static path => File.Exists(Path.Combine(path, "manifest.json"))).Order(StringComparer.Ordinal))
            : "";
    }

    private static Task Write<T>(HttpContext context, T page, JsonTypeInfo<T> form)
    {
        context.Response.ContentType = "application/json; charset=utf-8";
        return JsonSerializer.SerializeAsync(context.Response.Body, page, form, context.RequestAborted);
    }

    private static Task Refuse(HttpContext context, int code, IReadOnlyList<string> problems)
    {
        context.Response.StatusCode = code;
        return Write(context, new Problem(problems), DashboardJson.Default.Problem);
    }
}
