namespace DistributedTrainer.Channels.Tests.Support;

/// <summary>Waiting for events. The limit is only reached when a test fails.</summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static void Await(this ManualResetEventSlim happened, string what) => Assert.True(happened.Wait(Limit), $"{what} did not happen");

    public static void Await(this Thread thread, string what) => Assert.True(thread.Join(Limit), $"{what} did not end");

    public static T Await<T>(this Task<T> task, string what)
    {
        Assert.True(((IAsyncResult)task).AsyncWaitHandle.WaitOne(Limit), $"{what} did not happen");
        return task.GetAwaiter().GetResult();
    }

    public static void Until(Func<bool> condition, string what) => Assert.True(SpinWait.SpinUntil(condition, Limit), $"{what} did not happen");

    /// <summary>Runs on a thread of its own; what it throws is what <see cref="Worker.Await"/> throws or gives.</summary>
    public static Worker Start(Action body) => new(body);

    public static void UntilBlocked(this Worker worker) => Until(() => worker.IsWaiting, "waiting of the thread");
}

/// <summary>A thread whose failure is not lost.</summary>
internal sealed class Worker
{
    private Exception? _failure;

    public Worker(Action body)
    {
        Thread = new Thread(() =>
        {
            try { body(); }
            catch (Exception e) { _failure = e; }
        })
        { IsBackground = true };
        Thread.Start();
    }

    public Thread Thread { get; }

    /// <summary>The thread waits for a lock or an event.</summary>
    public bool IsWaiting => Thread.ThreadState.HasFlag(ThreadState.WaitSleepJoin);

    /// <summary>What the body threw, or null.</summary>
    public Exception? Outcome()
    {
        Thread.Await("the thread");
        return _failure;
    }

    public void Await()
    {
        if (Outcome() is { } failure) throw new InvalidOperationException($"a thread of the test failed: {failure.Message}", failure);
    }
}
