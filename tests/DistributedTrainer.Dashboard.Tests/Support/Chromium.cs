using Microsoft.Playwright;

namespace DistributedTrainer.Dashboard.Tests.Support;

/// <summary>A test in a real browser; skipped, with the reason, where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserFactAttribute : FactAttribute
{
    public BrowserFactAttribute() => Skip = Chromium.Problem;
}

/// <summary>The same with several cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class BrowserTheoryAttribute : TheoryAttribute
{
    public BrowserTheoryAttribute() => Skip = Chromium.Problem;
}

/// <summary>One headless browser for the tests of a class.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private static readonly string[] Names = ["chromium", "chromium-browser", "google-chrome"];

    private IPlaywright? _playwright;
    private IBrowser? _browser;

    /// <summary>The program; null: there is none.</summary>
    public static string? Path { get; } = Environment.GetEnvironmentVariable("CHROMIUM") is { Length: > 0 } named
        ? named
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator).SelectMany(static folder => Names.Select(name => System.IO.Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    /// <summary>Why there is no browser; null: there is one.</summary>
    public static string? Problem => Path is null ? "There is no Chromium: install the package chromium, or name the program in the variable CHROMIUM." : null;

    public async Task InitializeAsync()
    {
        if (Path is not null)
        {
            // Bounds only: whatever is awaited comes by an event.
            Assertions.SetDefaultExpectTimeout(60_000);
            _playwright = await Playwright.CreateAsync();
            _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = Path, Headless = true });
        }
    }

    /// <summary>A page of its own; what goes wrong in it, errors of scripts and refusals by its policy, is collected.</summary>
    public async Task<(IPage Page, List<string> Problems)> Open(Uri address, int width = 1280, ColorScheme colours = ColorScheme.Light)
    {
        var context = await _browser!.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = width, Height = 900 }, ColorScheme = colours });
        var (page, problems) = (await context.NewPageAsync(), new List<string>());
        page.SetDefaultTimeout(60_000);
        page.PageError += (_, problem) => problems.Add(problem);
        page.Console += (_, line) =>
        {
            if (line.Type == "error")
            {
                problems.Add(line.Text);
            }
        };
        await page.GotoAsync(address.ToString());
        return (page, problems);
    }

    public async Task DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.CloseAsync();
        }

        _playwright?.Dispose();
    }
}
