namespace DistributedTrainer.Cluster.Servers;

/// <summary>Steps that follow one another.</summary>
internal sealed record StepBatch(long First, double[] LossSums, int[] Rows, double[] LearningRates, long[] Microseconds);

/// <summary>Steps that were applied and not told yet. The data plane's threads write, the actor takes.</summary>
internal sealed class StepLog
{
    /// <summary>A batch holds at most this many steps: about 40 KB as a message, far below the frame size.</summary>
    public const int Limit = 1000;

    private readonly Queue<(long Step, double LossSum, int Rows, float LearningRate, long Microseconds)> _steps = [];

    /// <summary>Adds the next step. Returns how many are waiting.</summary>
    public int Add(long step, double lossSum, int rows, float learningRate, long microseconds)
    {
        lock (_steps)
        {
            _steps.Enqueue((step, lossSum, rows, learningRate, microseconds));
            return _steps.Count;
        }
    }

    /// <summary>Takes the oldest steps, at most <see cref="Limit"/>.</summary>
    /// <param name="least">Null where fewer are waiting.</param>
    /// <param name="before">Only steps before this one.</param>
    public StepBatch? Take(int least = 1, long before = long.MaxValue)
    {
        lock (_steps)
        {
            if (_steps.Count < least || _steps.Peek().Step >= before)
            {
                return null;
            }

            // They follow one another.
            var count = (int)Math.Min(Math.Min(_steps.Count, Limit), before - _steps.Peek().Step);
            var batch = new StepBatch(_steps.Peek().Step, new double[count], new int[count], new double[count], new long[count]);
            for (var i = 0; i < count; i++)
            {
                (_, batch.LossSums[i], batch.Rows[i], batch.LearningRates[i], batch.Microseconds[i]) = _steps.Dequeue();
            }

            return batch;
        }
    }
}
