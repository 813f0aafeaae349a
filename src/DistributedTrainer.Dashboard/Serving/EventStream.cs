using System.Text.Json;
using System.Threading.Channels;
using DistributedTrainer.Dashboard.Following;
using Microsoft.AspNetCore.Http;

namespace DistributedTrainer.Dashboard.Serving;

/// <summary>
/// One browser's stream of server-sent events: at first all that is known of the runs it asks for, then what is new. It
/// takes what it has not seen when it has room to write, so that nothing is queued for it.
/// </summary>
internal sealed class EventStream(RunCatalogue catalogue)
{
    // Curves over one another; more of them nobody can tell apart.
    private const int MostRuns = 12;
    private const int MostStreams = 32;

    // A browser that has gone is noticed by writing to it.
    private static readonly TimeSpan Pulse = TimeSpan.FromSeconds(15);

    private int _streams;

    public async Task Send(HttpContext context, CancellationToken end)
    {
        if (Interlocked.Increment(ref _streams) > MostStreams)
        {
            Interlocked.Decrement(ref _streams);
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, end);
        try
        {
            await Follow(context, stop.Token);
        }
        catch (Exception gone) when (stop.IsCancellationRequested && gone is OperationCanceledException or IOException)
        {
            // The browser closed the stream, or the dashboard ends.
        }
        finally
        {
            Interlocked.Decrement(ref _streams);
        }
    }

    private async Task Follow(HttpContext context, CancellationToken stop)
    {
        var signals = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        var runs = new List<(string Id, RunFollower Follower, RunCursor Cursor)>();
        var wakes = new List<IDisposable> { catalogue.Wake(signals.Writer) };
        try
        {
            foreach (var id in context.Request.Query["run"].OfType<string>().Distinct().Take(MostRuns))
            {
                if (catalogue.Find(id) is { } follower)
                {
                    wakes.Add(follower.Wake(signals.Writer));
                    runs.Add((id, follower, new RunCursor()));
                }
            }

            context.Response.ContentType = "text/event-stream";
            var known = "";
            while (true)
            {
                known = await SendList(context.Response, known, stop);
                foreach (var (id, follower, cursor) in runs)
                {
                    if (follower.Course.Take(id, cursor) is { IsEmpty: false } update)
                    {
                        await Write(context.Response, "run", JsonSerializer.Serialize(update, DashboardJson.Default.RunUpdate), stop);
                    }
                }

                await context.Response.Body.FlushAsync(stop);
                while (!await HasNews(signals.Reader, stop))
                {
                    await context.Response.WriteAsync(": here\n\n", stop);
                    await context.Response.Body.FlushAsync(stop);
                }
            }
        }
        finally
        {
            wakes.ForEach(static wake => wake.Dispose());
        }
    }

    private async Task<string> SendList(HttpResponse response, string known, CancellationToken stop)
    {
        var list = JsonSerializer.Serialize(catalogue.Runs, DashboardJson.Default.RunEntryArray);
        if (list != known)
        {
            await Write(response, "runs", list, stop);
        }

        return list;
    }

    private static async Task<bool> HasNews(ChannelReader<bool> signals, CancellationToken stop)
    {
        using var pulse = CancellationTokenSource.CreateLinkedTokenSource(stop);
        pulse.CancelAfter(Pulse);
        try
        {
            await signals.ReadAsync(pulse.Token);
            return true;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            return false;
        }
    }

    // JSON as it is written here holds no line breaks.
    private static Task Write(HttpResponse response, string name, string json, CancellationToken stop) => response.WriteAsync($"event: {name}\ndata: {json}\n\n", stop);
}
