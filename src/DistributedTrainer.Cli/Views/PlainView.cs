using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cli.Views;

/// <summary>A line a second at most, and each notice: for logs and pipes.</summary>
internal sealed class PlainView(TextWriter output, TimeProvider time) : IRunView
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private long? _shownAt;
    private long _shownStep = -1;

    public void Show(Submissions.View view)
    {
        lock (_gate)
        {
            if (view.Step != _shownStep && (_shownAt is not { } last || time.GetElapsedTime(last) >= Interval))
            {
                (_shownAt, _shownStep) = (time.GetTimestamp(), view.Step);
                output.WriteLine(Texts.Line(view));
            }
        }
    }

    public void Notice(string text)
    {
        lock (_gate)
        {
            output.WriteLine(text);
        }
    }

    public void Dispose() => output.Flush();
}
