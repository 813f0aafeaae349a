using Spectre.Console;

namespace DistributedTrainer.Cli.Views;

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
