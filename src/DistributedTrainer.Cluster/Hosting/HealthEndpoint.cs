using System.Net;
using System.Text;

namespace DistributedTrainer.Cluster.Hosting;

/// <summary>
/// Answers <c>GET /health/live</c> and <c>GET /health/ready</c> with 200 or 503 and a line of text, for whoever looks after
/// processes: Docker, Kubernetes, a load balancer. It is the library's own small listener: a node needs no web server.
/// </summary>
public sealed class HealthEndpoint : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Func<NodeHost?> _current;
    private readonly Func<bool> _ends;

    /// <summary>Starts to answer.</summary>
    /// <param name="port">On all addresses of this machine.</param>
    /// <param name="current">The node as it is now; null: between two lives, when it looks for the cluster that took it out.</param>
    /// <exception cref="ArgumentException">The port cannot be listened on.</exception>
    /// <param name="ends">Whether the process is told to end; null: it is never.</param>
    public HealthEndpoint(int port, Func<NodeHost?> current, Func<bool>? ends = null)
    {
        (_current, _ends) = (current, ends ?? (static () => false));
        _listener.Prefixes.Add($"http://*:{port}/");
        try
        {
            _listener.Start();
        }
        catch (HttpListenerException problem)
        {
            throw new ArgumentException($"node: health port {port} cannot be listened on: {problem.Message}. Choose another --health-port.", problem);
        }

        _ = AnswerAsync();
    }

    /// <inheritdoc/>
    public void Dispose() => ((IDisposable)_listener).Dispose();

    private async Task AnswerAsync()
    {
        while (_listener.IsListening)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                _ = AnswerAsync(context);
            }
            catch (Exception ended) when (ended is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                // Disposed of; or a request that broke off, after which the next one comes.
            }
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        var isLive = context.Request.Url?.AbsolutePath == "/health/live";
        if (context.Request.HttpMethod != "GET" || !(isLive || context.Request.Url?.AbsolutePath == "/health/ready"))
        {
            Answer(context, HttpStatusCode.NotFound, "GET /health/live, /health/ready");
            return;
        }

        var condition = _ends() ? new NodeCondition(true, false, "told to end, and leaves the cluster") : _current() is { } host ? await host.CheckAsync() : new NodeCondition(true, false, "looks for the cluster again");
        Answer(context, (isLive ? condition.IsAlive : condition.IsReady) ? HttpStatusCode.OK : HttpStatusCode.ServiceUnavailable, condition.Text);
    }

    private static void Answer(HttpListenerContext context, HttpStatusCode code, string text)
    {
        try
        {
            context.Response.StatusCode = (int)code;
            context.Response.ContentType = "text/plain; charset=utf-8";
            context.Response.Close(Encoding.UTF8.GetBytes(text + "\n"), willBlock: false);
        }
        catch (Exception gone) when (gone is HttpListenerException or ObjectDisposedException or InvalidOperationException)
        {
            // Whoever asked did not wait.
        }
    }
}
