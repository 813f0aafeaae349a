using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Dashboard.Following;
using DistributedTrainer.Dashboard.Mirroring;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace DistributedTrainer.Dashboard.Serving;

/// <summary>
/// The web page of runs. It reads run folders and nothing else, changes nothing (there is no request that could), and asks nobody: so it shows runs that go
/// on, wherever their coordinator is, and runs that are over.
/// </summary>
public sealed class DashboardServer : IAsyncDisposable
{
    /// <summary>The port where none is given.</summary>
    public const int DefaultPort = 7070;

    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(1);

    private readonly WebApplication _app;
    private readonly RunCatalogue _catalogue;
    private readonly Reviewer _reviewer;
    private readonly CancellationTokenSource _end = new();

    private DashboardServer(WebApplication app, RunCatalogue catalogue, Reviewer reviewer) => (_app, _catalogue, _reviewer) = (app, catalogue, reviewer);

    /// <summary>Where the page is, such as http://127.0.0.1:7070/.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Other machines reach it, and nobody asks them for a token.</summary>
    public bool IsOpenToOthers { get; private init; }

    /// <summary>Whether this can be a token: long enough not to be guessed, and of characters that a header and an address take.</summary>
    /// <param name="text">What was given.</param>
    public static bool IsToken(string text) => text.Length is >= 16 and <= 256 && text.All(static character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' or '.' or '~');

    /// <summary>Starts to answer.</summary>
    /// <param name="root">A run's folder, or a folder of such folders; null: runs are added by <see cref="Show"/>.</param>
    /// <param name="host">The address or name to listen on; other machines reach only what is not loopback.</param>
    /// <param name="port">0: the system chooses.</param>
    /// <param name="token">What whoever reads has to show; null: nothing. See <see cref="IsToken"/>.</param>
    /// <exception cref="IOException">There is no such folder, or it cannot be listened there; the message says what to do.</exception>
    public static Task<DashboardServer> StartAsync(string? root, string host = "127.0.0.1", int port = DefaultPort, string? token = null) =>
        StartAsync(new RunCatalogue(root), null, host, port, token);

    /// <summary>The same for runs of a cluster elsewhere. What has to be computed of a model is not: neither model nor data are here.</summary>
    /// <param name="mirror">Their files; not disposed of here.</param>
    /// <param name="host">As above.</param>
    /// <param name="port">As above.</param>
    /// <param name="token">As above.</param>
    /// <exception cref="IOException">It cannot be listened there; the message says what to do.</exception>
    public static Task<DashboardServer> StartAsync(RunMirror mirror, string host, int port, string? token) =>
        StartAsync(
            new RunCatalogue(mirror.Root, mirror.Want),
            $"Model and data are with the coordinator of {mirror.Source}, not here: dtrain dashboard on its machine computes this.",
            host, port, token);

    private static async Task<DashboardServer> StartAsync(RunCatalogue catalogue, string? elsewhere, string host, int port, string? token)
    {
        var reviewer = new Reviewer(catalogue, elsewhere);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        var address = await AddressOf(host);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            (options.Limits.MaxConcurrentConnections, options.Limits.MaxRequestBodySize) = (128, 0);
            options.Listen(address, port);
        });
        builder.Services.AddRoutingCore();
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(static options => options.ShutdownTimeout = EndLimit);
        var app = builder.Build();
        var guard = new Guard(host, token is null ? null : new Key(token));
        var server = new DashboardServer(app, catalogue, reviewer) { IsOpenToOthers = !guard.IsLoopback && token is null };
        app.Use(next => context => guard.Check(context, next));
        app.UseRouting();
        server.Map(app);
        try
        {
            await app.StartAsync();
        }
        catch (Exception problem) when (problem is IOException or SocketException)
        {
            await server.DisposeAsync();
            throw new IOException(
                problem is IOException { InnerException: Microsoft.AspNetCore.Connections.AddressInUseException }
                    ? $"Port {port} of {host} is in use. Give another --port, or --port 0 to have a free one chosen."
                    : $"{host}:{port} cannot be listened on: {problem.Message} Check --host and --port.",
                problem);
        }

        server.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    /// <summary>Shows the run of this folder too.</summary>
    public void Show(string runDirectory) => _catalogue.Add(runDirectory);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _app.DisposeAsync();
        _catalogue.Dispose();
        _reviewer.Dispose();
        _end.Dispose();
    }

    private static async Task<IPAddress> AddressOf(string host)
    {
        try
        {
            return IPAddress.TryParse(host, out var address) ? address : (await Dns.GetHostAddressesAsync(host)).OrderBy(static found => found.AddressFamily).First();
        }
        catch (Exception problem) when (problem is SocketException or InvalidOperationException or ArgumentException)
        {
            throw new IOException($"--host: '{host}' is no address or name of this machine: {problem.Message}", problem);
        }
    }

    private void Map(WebApplication app)
    {
        var stream = new EventStream(_catalogue);
        app.MapGet("/api/events", (RequestDelegate)(context => stream.Send(context, _end.Token)));
        app.MapGet("/api/model", (RequestDelegate)_reviewer.Layers);
        app.MapGet("/api/review", (RequestDelegate)_reviewer.Evaluate);
        app.MapGet(Guard.LivePath, (RequestDelegate)(static context => context.Response.WriteAsync("the dashboard answers\n")));
        app.MapGet("/", (RequestDelegate)(static context => File(context, "/index.html")));
        foreach (var path in Assets.Names.Keys)
        {
            app.MapGet(path, (RequestDelegate)(context => File(context, path)));
        }
    }

    private static Task File(HttpContext context, string path)
    {
        var bytes = Assets.Bytes(path);
        (context.Response.ContentType, context.Response.ContentLength) = (Assets.TypeOf(path), bytes.Length);
        return context.Response.Body.WriteAsync(bytes).AsTask();
    }
}
