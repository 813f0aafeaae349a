using System.Net;
using System.Text.Json;
using DistributedTrainer.Dashboard.Serving;
using DistributedTrainer.Dashboard.Tests.Support;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>The page over HTTP, from a real server at a port that the system chose.</summary>
public sealed class ServerTests : IAsyncLifetime
{
    private readonly SampleRun _run = new();
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(60) };
    private DashboardServer _server = null!;

    public async Task InitializeAsync()
    {
        _run.Step(1, 2.5);
        _server = await DashboardServer.StartAsync(_run.Root, port: 0);
        _client.BaseAddress = _server.Address;
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _server.DisposeAsync();
        _run.Dispose();
    }

    [Theory]
    [InlineData("/", "text/html")]
    [InlineData("/app.js", "text/javascript")]
    [InlineData("/page.css", "text/css")]
    [InlineData("/vendor/uplot.js", "text/javascript")]
    [InlineData("/vendor/uplot-license.txt", "text/plain")]
    public async Task Every_file_comes_with_headers_that_let_nothing_else_run(string path, string type)
    {
        using var answer = await _client.GetAsync(path);
        Assert.Equal((HttpStatusCode.OK, type), (answer.StatusCode, answer.Content.Headers.ContentType!.MediaType));
        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'; script-src 'self'; style-src 'self'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
        Assert.Equal(["no-referrer"], answer.Headers.GetValues("Referrer-Policy"));
        Assert.Equal(["DENY"], answer.Headers.GetValues("X-Frame-Options"));
        Assert.Equal(["same-origin"], answer.Headers.GetValues("Cross-Origin-Resource-Policy"));
        Assert.False(answer.Headers.Contains("Server"));
        Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("127.0.0.1", HttpStatusCode.OK)]
    [InlineData("LOCALHOST", HttpStatusCode.OK)]
    [InlineData("evil.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("127.0.0.1.evil.example", HttpStatusCode.MisdirectedRequest)]
    [InlineData("10.0.0.1", HttpStatusCode.MisdirectedRequest)]
    public async Task Only_names_of_this_machine_are_answered(string host, HttpStatusCode status)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/model?run=digits-1") { Headers = { Host = $"{host}:{_server.Address.Port}" } };
        using var answer = await _client.SendAsync(request);
        Assert.Equal(status == HttpStatusCode.OK, answer.StatusCode != HttpStatusCode.MisdirectedRequest);
        Assert.DoesNotContain("digits-1", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10.0.0.1", true)]
    [InlineData("train.example", true)]
    [InlineData("evil.example", false)]
    public void Beyond_loopback_addresses_and_the_name_that_was_given_are_answered(string host, bool allowed) =>
        Assert.Equal(allowed, new Guard("train.example").IsAllowed(host));

    [Theory]
    [InlineData("/../ServerTests.cs")]
    [InlineData("/..%2f..%2fetc%2fpasswd")]
    [InlineData("/vendor/..%2f..%2fpage.css")]
    [InlineData("/api/model?run=..")]
    [InlineData("/api/model?run=..%2fdigits-1")]
    [InlineData("/api/review?run=%2fetc")]
    [InlineData("/api/review")]
    public async Task What_is_not_there_is_not_found(string path)
    {
        using var answer = await _client.GetAsync(path);
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task It_only_reads(string method)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "/");
        using var answer = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
    }

    [Fact]
    public async Task Lines_come_as_they_are_written_and_so_do_runs()
    {
        using var reader = new StreamReader(await _client.GetStreamAsync("/api/events?run=digits-1&run=none"));
        var (kind, list) = await Next(reader);
        Assert.Equal(("runs", "digits-1", "running"), (kind, list[0].GetProperty("id").GetString(), list[0].GetProperty("state").GetString()));
        var (_, first) = await Next(reader);
        Assert.Equal(2.5, first.GetProperty("metrics").GetProperty("loss")[0].GetDouble());

        _run.Step(2, 1.5);
        Assert.Equal(1.5, (await Next(reader, "metrics")).GetProperty("loss")[0].GetDouble());
        _run.Cluster(2, 2, "worker-a");
        Assert.Equal("worker-a", (await Next(reader, "cluster")).GetProperty("items")[0].GetProperty("nodes")[0].GetProperty("name").GetString());

        _run.Result();
        Assert.Equal("done", (await Next(reader, "state")).GetProperty("state").GetString());
        Directory.CreateDirectory(Path.Combine(_run.Root, "digits-2"));
        File.WriteAllText(Path.Combine(_run.Root, "digits-2", "experiment.yaml"), "name: second\n");
        while ((await Next(reader)) is var (name, body) && !(name == "runs" && body.GetArrayLength() == 2))
        {
        }
    }

    [Fact]
    public async Task A_port_that_is_in_use_is_an_error_that_says_what_to_do()
    {
        var problem = await Assert.ThrowsAsync<IOException>(() => DashboardServer.StartAsync(_run.Root, port: _server.Address.Port));
        Assert.Equal($"Port {_server.Address.Port} of 127.0.0.1 is in use. Give another --port, or --port 0 to have a free one chosen.", problem.Message);
    }

    [Fact]
    public async Task A_folder_that_is_missing_is_an_error_too()
    {
        var problem = await Assert.ThrowsAsync<DirectoryNotFoundException>(() => DashboardServer.StartAsync(_run.In("none"), port: 0));
        Assert.Contains("there is no such folder. Name the folder of a run", problem.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Why_nothing_can_be_computed_is_said()
    {
        using var answer = await _client.GetAsync("/api/review?run=digits-1");
        Assert.Equal(HttpStatusCode.Conflict, answer.StatusCode);
        Assert.Contains("experiment.yaml", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    /// <summary>The next update that holds this.</summary>
    private static async Task<JsonElement> Next(StreamReader reader, string part)
    {
        while (true)
        {
            var (kind, body) = await Next(reader);
            if (kind == "run" && body.TryGetProperty(part, out var found))
            {
                return found;
            }
        }
    }

    private static async Task<(string Kind, JsonElement Body)> Next(StreamReader reader)
    {
        var kind = "";
        // A bound, should it never come.
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (await reader.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                kind = line[7..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                return (kind, JsonDocument.Parse(line[6..]).RootElement);
            }
        }

        throw new EndOfStreamException("the server ended the stream");
    }
}
