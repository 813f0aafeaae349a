using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Views;

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
