using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace DistributedTrainer.Dashboard.Serving;

/// <summary>
/// Who may read: whoever shows the token, in the header "Authorization: Bearer TOKEN", or once as ?token=TOKEN, which becomes a
/// cookie that no script and no other site's page can use. Compared in constant time.
/// </summary>
internal sealed class Key
{
    private const string Parameter = "token";

    // What the cookie holds is made of the token, and is not it: who reads a browser's cookies does not have the token.
    private static readonly byte[] Purpose = "dtrain dashboard cookie"u8.ToArray();

    private readonly byte[] _token;
    private readonly string _cookie;

    /// <param name="token">The token.</param>
    public Key(string token)
    {
        _token = Encoding.UTF8.GetBytes(token);
        _cookie = Convert.ToHexStringLower(HMACSHA256.HashData(_token, Purpose));
    }

    /// <summary>True: go on. Else the answer is made: a refusal, or the way to the page without the token in its address.</summary>
    public async Task<bool> Opens(HttpContext context)
    {
        var (request, response) = (context.Request, context.Response);

        // What only who has the token may see is kept nowhere on the way.
        response.Headers.CacheControl = "no-store";
        var name = $"dtrain-dashboard-{context.Connection.LocalPort}";
        if (request.Query.TryGetValue(Parameter, out var given) && IsToken(given.ToString()))
        {
            response.Cookies.Append(name, _cookie, new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Secure = request.IsHttps, Path = "/" });
            var rest = QueryString.Create(request.Query.Where(static pair => pair.Key != Parameter));
            response.StatusCode = StatusCodes.Status303SeeOther;

            // Two slashes at its beginning would lead to another host.
            response.Headers.Location = $"/{request.Path.ToUriComponent().TrimStart('/', '\\')}{rest}";
            return false;
        }

        var header = request.Headers.Authorization.ToString();
        if ((header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) && IsToken(header["Bearer ".Length..].Trim())) || IsSame(request.Cookies[name] ?? "", Encoding.UTF8.GetBytes(_cookie)))
        {
            return true;
        }

        response.StatusCode = StatusCodes.Status401Unauthorized;
        response.Headers.WWWAuthenticate = "Bearer";
        response.ContentType = "text/plain; charset=utf-8";
        await response.WriteAsync("This dashboard needs its token. Open it once with ?token=TOKEN behind its address, or send the header \"Authorization: Bearer TOKEN\".\n");
        return false;
    }

    private bool IsToken(string given) => IsSame(given, _token);

    // Hashes have one length, whatever is compared.
    private static bool IsSame(string given, byte[] expected) =>
        CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(given)), SHA256.HashData(expected));
}
