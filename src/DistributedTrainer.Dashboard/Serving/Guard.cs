using System.Net;
using Microsoft.AspNetCore.Http;

namespace DistributedTrainer.Dashboard.Serving;

/// <summary>
/// What holds for every answer: nothing but the page's own files may run in it, nobody may frame it, and only who asks
/// for this machine by an address or a name of it is answered: else a page from elsewhere, whose name was made to point
/// here, could read it.
/// </summary>
/// <param name="host">What the server was told to listen on.</param>
/// <param name="key">Who may read; null: everybody.</param>
internal sealed class Guard(string host, Key? key = null)
{
    /// <summary>Answered without a token: that somebody answers is all that it says.</summary>
    internal const string LivePath = "/health/live";

    internal const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    private static readonly string[] LoopbackNames = ["localhost", "127.0.0.1", "[::1]"];

    /// <summary>Only this machine reaches it.</summary>
    internal bool IsLoopback => _isLoopback;

    private readonly bool _isLoopback = host == "localhost" || (IPAddress.TryParse(host, out var address) && IPAddress.IsLoopback(address));

    public async Task Check(HttpContext context, RequestDelegate next)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Opener-Policy"] = "same-origin";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=()";
        headers.XFrameOptions = "DENY";
        headers.CacheControl = "no-cache";
        if (!IsAllowed(context.Request.Host.Host))
        {
            context.Response.StatusCode = StatusCodes.Status421MisdirectedRequest;
            await context.Response.WriteAsync($"This dashboard is not reached under that name. Use {(_isLoopback ? "localhost or 127.0.0.1" : "the machine's address")}, or start it with --host NAME.");
            return;
        }

        if (!HttpMethods.IsGet(context.Request.Method) && !HttpMethods.IsHead(context.Request.Method))
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            headers.Allow = "GET, HEAD";
            return;
        }

        if (key is null || context.Request.Path == LivePath || await key.Opens(context))
        {
            await next(context);
        }
    }

    /// <summary>Whether the name that a browser asked for is one of ours.</summary>
    internal bool IsAllowed(string name) =>
        LoopbackNames.Contains(name, StringComparer.OrdinalIgnoreCase)
        || (!_isLoopback && (IPAddress.TryParse(name.Trim('[', ']'), out _) || name.Equals(host, StringComparison.OrdinalIgnoreCase) || name.Equals(Dns.GetHostName(), StringComparison.OrdinalIgnoreCase)));
}
