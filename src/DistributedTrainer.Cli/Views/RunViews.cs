using DistributedTrainer.Protocol;
using Spectre.Console;

namespace DistributedTrainer.Cli.Views;

/// <summary>Shows a run to a person.</summary>
internal interface IRunView : IDisposable
{
    void Show(Submissions.View view);

    void Notice(string text);
}

/// <summary>Chooses how to show.</summary>
internal static class RunViews
{
    public static IRunView Create(bool plain, bool json) =>
        plain || json || Console.IsOutputRedirected ? new PlainView(json ? Console.Error : Console.Out, TimeProvider.System) : new LiveView(AnsiConsole.Console);
}
