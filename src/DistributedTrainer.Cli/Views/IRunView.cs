using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Views;

/// <summary>Shows a run to a person.</summary>
internal interface IRunView : IDisposable
{
    void Show(Submissions.View view);

    void Notice(string text);
}
