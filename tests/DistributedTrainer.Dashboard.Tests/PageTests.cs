using System.Text.RegularExpressions;
using Deque.AxeCore.Playwright;
using DistributedTrainer.Dashboard.Reports;
using DistributedTrainer.Dashboard.Serving;
using DistributedTrainer.Dashboard.Tests.Support;
using Microsoft.Playwright;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>The page in a real browser, over run folders that the test writes.</summary>
public sealed class PageTests(Chromium chromium) : IClassFixture<Chromium>, IDisposable
{
    private readonly SampleRun _run = new();

    public void Dispose() => _run.Dispose();

    [BrowserFact]
    public async Task The_page_opens_and_updates_live()
    {
        Begin();
        await using var server = await DashboardServer.StartAsync(_run.Directory, port: 0);
        var (page, problems) = await chromium.Open(server.Address);
        await Assertions.Expect(Tile(page, "Step")).ToHaveTextAsync("3 of 100");
        await Assertions.Expect(page.Locator("#connection")).ToHaveTextAsync("live");
        await page.GetByLabel("Smoothing").FillAsync("0");
        await Assertions.Expect(Plot(page, "Loss")).ToHaveAttributeAsync("aria-label", new Regex("training from 1 to 0\\.3333, "));

        _run.Step(4, 0.125);
        await Assertions.Expect(Plot(page, "Loss")).ToHaveAttributeAsync("aria-label", new Regex("training from 1 to 0\\.1250, "));
        await Assertions.Expect(Tile(page, "Step")).ToHaveTextAsync("4 of 100");
        _run.Result();
        await Assertions.Expect(page.Locator(".verdict").Nth(1)).ToHaveTextAsync("digits is done.");
        await Assertions.Expect(Tile(page, "Validation accuracy")).ToHaveTextAsync("87.50 %");
        Assert.Empty(problems);
    }

    [BrowserFact]
    public async Task A_worker_that_goes_and_one_that_comes_are_on_the_time_line()
    {
        Begin();
        await using var server = await DashboardServer.StartAsync(_run.Directory, port: 0);
        var (page, problems) = await chromium.Open(new Uri(server.Address, "#cluster"));
        await Assertions.Expect(page.Locator("#view-Cluster tbody tr").First).ToContainTextAsync("worker-a");
        _run.Cluster(5, 40, "worker-b");
        await Assertions.Expect(page.Locator(".lanes .gone title")).ToHaveTextAsync("worker-a is gone at 5.0 s");
        _run.Cluster(6, 50, "worker-b", "worker-c");
        await Assertions.Expect(page.Locator(".lanes")).ToHaveAttributeAsync("aria-label", new Regex("^3 nodes .* worker-a was gone at 5\\.0 s"));
        Assert.Empty(problems);
    }

    [BrowserFact]
    public async Task Runs_are_laid_over_each_other_and_found_as_they_come()
    {
        Begin();
        await using var server = await DashboardServer.StartAsync(_run.Root, port: 0);
        var (page, problems) = await chromium.Open(server.Address);
        await Assertions.Expect(Tile(page, "Step")).ToHaveTextAsync("3 of 100");
        var second = Path.Combine(_run.Root, "other <b>run");
        Directory.CreateDirectory(second);
        File.WriteAllText(Path.Combine(second, "experiment.yaml"), "name: second\n");
        File.WriteAllText(Path.Combine(second, "metrics.jsonl"), """{"step":1,"epoch":1,"loss":4,"learningRate":0.1,"rowsPerSecond":1,"seconds":0}""" + "\n");
        await page.GetByLabel("Lay other <b>run over").CheckAsync();
        await Assertions.Expect(Figure(page, "Loss").Locator(".legend li").Nth(2)).ToHaveTextAsync("other <b>run: training");
        Assert.Empty(problems);
    }

    [BrowserFact]
    public async Task Charts_are_read_by_keyboard_and_as_tables()
    {
        Begin();
        await using var server = await DashboardServer.StartAsync(_run.Directory, port: 0);
        var (page, problems) = await chromium.Open(server.Address);
        var figure = Figure(page, "Loss");
        await Assertions.Expect(Plot(page, "Loss")).ToHaveAttributeAsync("role", "img");
        await Assertions.Expect(Plot(page, "Loss")).ToHaveAttributeAsync("aria-label", new Regex("training from 1 to "));
        await Plot(page, "Loss").FocusAsync();
        await page.Keyboard.PressAsync("Home");
        await Assertions.Expect(figure.Locator("[aria-live]")).ToHaveTextAsync("step 1, training 1");
        await page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(figure.Locator("[aria-live]")).ToContainTextAsync("step 2");
        await figure.Locator("summary").ClickAsync();
        await Assertions.Expect(figure.Locator("tbody tr")).ToHaveCountAsync(3);

        await page.GetByRole(AriaRole.Tab, new() { Name = "Overview" }).FocusAsync();
        await page.Keyboard.PressAsync("ArrowRight");
        await Assertions.Expect(page.GetByRole(AriaRole.Tab, new() { Name = "Cluster" })).ToHaveAttributeAsync("aria-selected", "true");
        await Assertions.Expect(page.GetByRole(AriaRole.Table, new() { Name = "Nodes of the cluster" })).ToBeVisibleAsync();
        Assert.Empty(problems);
    }

    [BrowserFact]
    public async Task On_a_phone_in_the_dark_nothing_sticks_out()
    {
        Begin();
        await using var server = await DashboardServer.StartAsync(_run.Directory, port: 0);
        var (page, problems) = await chromium.Open(server.Address, width: 390, ColorScheme.Dark);
        foreach (var view in (string[])["Overview", "Cluster", "Model", "Experiment"])
        {
            await page.GetByRole(AriaRole.Tab, new() { Name = view }).ClickAsync();
            await Assertions.Expect(page.Locator($"#view-{view}")).ToBeVisibleAsync();
            Assert.Equal(390, await page.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        }

        Assert.Equal("rgb(14, 19, 27)", await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));
        Assert.DoesNotContain(problems, static problem => !problem.Contains("409", StringComparison.Ordinal));
    }

    [BrowserTheory]
    [InlineData(ColorScheme.Light, 1280)]
    [InlineData(ColorScheme.Dark, 1280)]
    [InlineData(ColorScheme.Light, 390)]
    public async Task Whoever_does_not_see_or_point_well_can_use_each_view(ColorScheme colors, int width)
    {
        Begin();
        _run.Result();
        await using var server = await DashboardServer.StartAsync(_run.Directory, port: 0);
        var (page, _) = await chromium.Open(server.Address, width, colors);
        await Assertions.Expect(Tile(page, "Step")).ToHaveTextAsync("100 of 100");
        foreach (var view in (string[])["Overview", "Cluster", "Model", "Experiment"])
        {
            await page.GetByRole(AriaRole.Tab, new() { Name = view }).ClickAsync();
            await Assertions.Expect(page.Locator($"#view-{view}")).ToBeVisibleAsync();
            var found = await page.RunAxe();
            Assert.NotEmpty(found.Passes);
            Assert.True(found.Violations.Length == 0, $"{view}: {string.Join("; ", found.Violations.Select(static violation => $"{violation.Id}: {violation.Help}: {string.Join(", ", violation.Nodes.Select(static node => node.Html))}"))}");
        }
    }

    [BrowserFact]
    public async Task The_report_shows_the_run_without_a_server()
    {
        Begin();
        _run.Result();
        var (page, problems) = await chromium.Open(new Uri(ReportPage.Write(_run.Directory, quickOnly: true)));
        await Assertions.Expect(Tile(page, "Step")).ToHaveTextAsync("100 of 100");
        await Assertions.Expect(Figure(page, "Loss").Locator("canvas")).ToBeVisibleAsync();
        await Assertions.Expect(page.Locator(".lanes")).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByText("00ff")).ToBeVisibleAsync();
        await Assertions.Expect(page.GetByText($"dtrain train {_run.In("experiment.yaml")}")).ToBeVisibleAsync();
        Assert.Empty(problems);
    }

    private static ILocator Figure(IPage page, string title) => page.Locator("figure").Filter(new() { Has = page.Locator("figcaption", new() { HasTextString = title }) }).First;

    private static ILocator Plot(IPage page, string title) => Figure(page, title).Locator(".plot");

    private static ILocator Tile(IPage page, string label) => page.Locator(".tiles div").Filter(new() { HasTextString = label }).First.Locator("dd");

    private void Begin()
    {
        Array.ForEach([1, 2, 3], step => _run.Step(step, 1.0 / step));
        _run.Evaluation(3, 0.5, 0.75);
        _run.Cluster(0, 0, "worker-a", "worker-b");
        _run.Cluster(1, 3, "worker-a", "worker-b");
        _run.Weights(0);
    }
}
