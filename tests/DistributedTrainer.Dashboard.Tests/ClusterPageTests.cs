using System.Diagnostics;
using DistributedTrainer.Dashboard.Serving;
using DistributedTrainer.Dashboard.Tests.Support;
using DistributedTrainer.EndToEnd.Tests;
using Microsoft.Playwright;
using Xunit.Abstractions;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>The page of a real cluster, whose processes are killed.</summary>
public sealed class ClusterPageTests(Chromium chromium, ITestOutputHelper output) : IClassFixture<Chromium>
{
    [BrowserFact]
    [Trait("Starts", "processes")]
    public async Task The_page_shows_a_killed_worker_at_once_and_goes_on_with_a_coordinator_that_is_started_again()
    {
        using var directory = new RunDirectory();
        await using var server = await DashboardServer.StartAsync(directory.In("."), port: 0);
        string gone;
        await using (var training = Dtrain.Start(["train", "--plain", "--dashboard", "--dashboard-port", "0", "--run-dir", directory.Run, "--set", "training.epochs=100000", "--set", "checkpoint.every-steps=50"]))
        {
            // The launcher's own page answers too.
            var address = (await training.Line(static line => line.StartsWith("Dashboard: ", StringComparison.Ordinal)))["Dashboard: ".Length..];
            using var client = new HttpClient();
            Assert.Contains("DistributedTrainer", await client.GetStringAsync(new Uri(address)), StringComparison.Ordinal);

            var (page, problems) = await chromium.Open(new Uri(server.Address, "#cluster"));
            await Assertions.Expect(Workers(page)).ToHaveCountAsync(2);
            await Assertions.Expect(page.Locator("#view-Cluster tbody tr").Filter(new() { HasTextString = "shard" })).ToHaveCountAsync(2);
            gone = (await Workers(page).First.Locator("th").TextContentAsync())!;
            var process = int.Parse((await Workers(page).First.Locator("td").Nth(4).TextContentAsync())!, System.Globalization.CultureInfo.InvariantCulture);

            var seen = page.Locator(".lanes .gone title").Filter(new() { HasTextString = gone });
            var clock = Stopwatch.StartNew();
            Dtrain.Signal(process, "KILL");
            await Assertions.Expect(seen).ToHaveCountAsync(1);
            output.WriteLine($"The page showed the killed worker after {clock.ElapsedMilliseconds} ms.");

            // Steps go on, and a checkpoint of them is there to go on from.
            await page.GetByRole(AriaRole.Tab, new() { Name = "Overview" }).ClickAsync();
            await page.GetByRole(AriaRole.Tab, new() { Name = "Cluster" }).ClickAsync();
            await Assertions.Expect(page.Locator(".log li").Filter(new() { HasTextString = "checkpoint of step" }).First).ToBeVisibleAsync();
            training.Signal("KILL");
            await training.End();

            // The coordinator was in the process that died. The page stays open.
            await using var resumed = Dtrain.Start(["resume", directory.Run, "--plain", "--in-process"]);
            await resumed.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
            await Assertions.Expect(Workers(page).Filter(new() { HasTextString = resumed.Id.ToString(System.Globalization.CultureInfo.InvariantCulture) })).ToHaveCountAsync(2);
            await Assertions.Expect(page.Locator(".log li").Filter(new() { HasTextString = "Going on from the checkpoint of step" }).First).ToBeVisibleAsync();
            Assert.Empty(problems);
            resumed.Signal("KILL");
            await resumed.End();
        }
    }

    private static ILocator Workers(IPage page) =>
        page.Locator("#view-Cluster section").First.Locator("tbody tr").Filter(new() { Has = page.Locator("td", new() { HasTextString = "worker" }) });
}
