using DistributedTrainer.Protocol;
using Spectre.Console;

namespace DistributedTrainer.Cli.Views;

/// <summary>Shows a run to a person.</summary>
internal interface IRunView : IDisposable
{
    void Show(Submissions.View view);

    void Notice(string text);
}

/// <summary>How a run is shown, as its user wishes.</summary>
/// <param name="Json">The result as JSON, and nothing else, on standard output.</param>
/// <param name="Plain">Lines.</param>
/// <param name="Quiet">Nothing until the end.</param>
internal sealed record ViewOptions(bool Json, bool Plain, bool Quiet)
{
    private bool IsLive => !Plain && !Json && !Quiet && !Console.IsOutputRedirected;

    /// <summary>Whether a live view is drawn where standard error goes: what is written there would be drawn into it.</summary>
    public bool DrawsOnErrors => IsLive && !Console.IsErrorRedirected;

    public IRunView Create() =>
        Quiet ? new QuietView() : IsLive ? new LiveView(AnsiConsole.Console) : new PlainView(Json ? Console.Error : Console.Out, TimeProvider.System);
}

/// <summary>Shows nothing.</summary>
internal sealed class QuietView : IRunView
{
    public void Show(Submissions.View view)
    {
    }

    public void Notice(string text)
    {
    }

    public void Dispose()
    {
    }
}
