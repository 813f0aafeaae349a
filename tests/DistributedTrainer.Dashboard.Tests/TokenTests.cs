using System.Net;
using System.Net.Http.Headers;
using DistributedTrainer.Dashboard.Serving;
using DistributedTrainer.Dashboard.Tests.Support;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>A page that only who has its token may read.</summary>
public sealed class TokenTests : IAsyncLifetime
{
    private const string Token = "0123456789abcdef-token";

    private readonly SampleRun _run = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { Timeout = TimeSpan.FromSeconds(60) };
    private DashboardServer _server = null!;

    public async Task InitializeAsync()
    {
        _run.Step(1, 2.5);
        _server = await DashboardServer.StartAsync(_run.Root, port: 0, token: Token);
        _client.BaseAddress = _server.Address;
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
        _run.Dispose();
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/app.js")]
    [InlineData("/api/events?run=digits-1")]
    [InlineData("/api/model?run=digits-1")]
    [InlineData("/api/review?run=digits-1")]
    [InlineData("/nothing")]
    [InlineData("/?token=")]
    [InlineData("/?token=0123456789abcdef-toke")]
    [InlineData("/?token=0123456789abcdef-tokenx")]
    [InlineData("/health/ready")]
    public async Task Without_it_nothing_is_told(string path)
    {
        using var answer = await _client.GetAsync(path);
        Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        Assert.Equal("Bearer", Assert.Single(answer.Headers.WwwAuthenticate).Scheme);
        Assert.True(answer.Headers.CacheControl!.NoStore);
        Assert.False(answer.Headers.Contains("Set-Cookie"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.Contains("needs its token", text, StringComparison.Ordinal);
        Assert.DoesNotContain("digits", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Bearer", Token, HttpStatusCode.OK)]
    [InlineData("bearer", Token, HttpStatusCode.OK)]
    [InlineData("Bearer", "another-token-0000", HttpStatusCode.Unauthorized)]
    [InlineData("Basic", Token, HttpStatusCode.Unauthorized)]
    public async Task A_header_with_it_opens(string scheme, string token, HttpStatusCode status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { Authorization = new AuthenticationHeaderValue(scheme, token) } };
        using var answer = await _client.SendAsync(request);
        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task In_the_address_it_becomes_a_cookie_that_holds_something_else_and_opens()
    {
        using var first = await _client.GetAsync($"/api/model?run=none&token={Token}");
        Assert.Equal(HttpStatusCode.SeeOther, first.StatusCode);
        Assert.Equal("/api/model?run=none", first.Headers.Location!.ToString());
        var cookie = Assert.Single(first.Headers.GetValues("Set-Cookie"));
        Assert.Matches($"^dtrain-dashboard-{_server.Address.Port}=[0-9a-f]{{64}}; path=/; samesite=strict; httponly$", cookie);
        Assert.DoesNotContain(Token, cookie, StringComparison.Ordinal);

        using var request = new HttpRequestMessage(HttpMethod.Get, "/");
        request.Headers.Add("Cookie", cookie.Split(';')[0]);
        using var page = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, page.StatusCode);
        Assert.True(page.Headers.CacheControl!.NoStore);
    }

    [Theory]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example/")]
    public async Task The_way_on_never_leads_to_another_host(string path)
    {
        using var answer = await _client.GetAsync(new Uri(_server.Address.ToString().TrimEnd('/') + path + $"?token={Token}"));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        var way = answer.Headers.Location!.ToString();
        Assert.StartsWith("/", way, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"^/[/\\]", way);
    }

    [Fact]
    public async Task That_somebody_answers_is_told_to_everybody_and_names_and_methods_are_checked_first()
    {
        using var live = await _client.GetAsync("/health/live");
        Assert.Equal(HttpStatusCode.OK, live.StatusCode);
        using var post = await _client.PostAsync($"/?token={Token}", null);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, post.StatusCode);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/?token={Token}") { Headers = { Host = "evil.example" } };
        using var rebound = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.MisdirectedRequest, rebound.StatusCode);
        Assert.False(rebound.Headers.Contains("Set-Cookie"));
    }

    [Theory]
    [InlineData("short", false)]
    [InlineData("0123456789abcdef", true)]
    [InlineData("0123456789abcde f", false)]
    [InlineData("0123456789abcdeé", false)]
    public void A_token_is_long_and_of_plain_characters(string token, bool isRight) => Assert.Equal(isRight, DashboardServer.IsToken(token));

    [Fact]
    public async Task That_it_is_open_to_others_is_known()
    {
        await using var open = await DashboardServer.StartAsync(_run.Root, "0.0.0.0", port: 0);
        await using var closed = await DashboardServer.StartAsync(_run.Root, "0.0.0.0", port: 0, Token);
        Assert.Equal((true, false, false), (open.IsOpenToOthers, closed.IsOpenToOthers, _server.IsOpenToOthers));
    }
}
