using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class StepLogTests
{
    private readonly StepLog _log = new();

    [Fact]
    public void Steps_are_taken_once_in_their_order()
    {
        Assert.Equal(1, _log.Add(4, 0.5, 30, 0.1f, 7));
        Assert.Equal(2, _log.Add(5, 0.25, 29, 0.2f, 9));
        var batch = _log.Take()!.Value.Steps!;
        Assert.Equal(4, batch.First);
        Assert.Equal([0.5, 0.25], batch.LossSums);
        Assert.Equal([30, 29], batch.Rows);
        Assert.Equal([0.1f, 0.2f], batch.LearningRates);
        Assert.Equal([7L, 9L], batch.Microseconds);
        Assert.Null(_log.Take());
        Assert.Equal(1, _log.Add(6, 1.0 / 7, 30, 0.1f, 11));
        Assert.Equal(["6-6"], Told());
    }

    [Fact]
    public void Evaluations_are_told_between_the_steps_before_and_after_their_version()
    {
        Steps(0, 5);
        Evaluation(2);
        Evaluation(5);
        Evaluation(7);
        Assert.Equal(["0-1", "at 2", "2-4", "at 5", "at 7"], Told());
        Steps(5, 8);
        Assert.Equal(["5-7"], Told());
    }

    [Fact]
    public void A_batch_is_no_longer_than_its_limit()
    {
        Steps(0, 2500);
        Evaluation(1700);
        Assert.Equal(["0-999", "1000-1699", "at 1700", "1700-2499"], Told());
    }

    [Fact]
    public void Few_steps_are_left_where_more_are_wanted_unless_an_evaluation_follows()
    {
        Steps(0, 3);
        Assert.Null(_log.Take(least: 4));
        Evaluation(2);
        Assert.Equal(["0-1", "at 2"], Told(least: 4));
        Steps(3, 6);
        Assert.Equal(["2-5"], Told(least: 4));
    }

    [Fact]
    public void Nothing_after_a_snapshots_version_is_taken_for_it()
    {
        Steps(0, 5);
        Evaluation(3);
        Assert.Equal(["0-2"], Told(before: 3));
        Assert.Equal([], Told(before: 3));

        // The evaluation of the version itself belongs to what follows.
        Assert.Equal(["at 3", "3-3"], Told(before: 4));
        Assert.Equal(["4-4"], Told());
    }

    [Fact]
    public void What_was_told_is_told_again_until_it_is_forgotten()
    {
        Steps(0, 5);
        Evaluation(2);
        Evaluation(5);
        Assert.False(_log.IsWaiting);
        string[] all = ["0-1", "at 2", "2-4", "at 5"];
        Assert.Equal(all, Told());
        Assert.True(_log.IsWaiting);
        _log.TellAgain();
        Assert.False(_log.IsWaiting);
        Assert.Equal(all, Told());
        _log.Forget(step: 2, version: 2);
        _log.TellAgain();
        Assert.Equal(["3-4", "at 5"], Told());
        _log.Forget(step: 4, version: 2);
        Assert.True(_log.IsWaiting);
        _log.TellAgain();
        Assert.Equal(["at 5"], Told());
        _log.Forget(step: 4, version: 5);
        Assert.False(_log.IsWaiting);
        _log.TellAgain();
        Assert.Equal([], Told());
    }

    [Fact]
    public void Only_what_was_told_is_forgotten()
    {
        Steps(0, 5);
        Evaluation(5);
        _log.Forget(step: 100, version: 100);
        Assert.Equal(["0-4", "at 5"], Told());
        Steps(5, 7);
        _log.Forget(step: 100, version: 100);
        Assert.Equal(["5-6"], Told());
        _log.Forget(step: -1, version: -1);
        _log.TellAgain();
        Assert.Equal(["5-6"], Told());
    }

    private void Steps(long from, long until)
    {
        for (var step = from; step < until; step++)
        {
            _log.Add(step, 1.0 / (step + 1), 30, 0.5f, step * 10);
        }
    }

    private void Evaluation(long version) =>
        _log.Add(new Partitions.Evaluated(new RunId("run"), new StepId(version), new SetSums(1, 1, 1), new SetSums(0, 0, 0), [], new StepId(version), false));

    private List<string> Told(int least = 1, long before = long.MaxValue)
    {
        var told = new List<string>();
        while (_log.Take(least, before) is var (steps, evaluated))
        {
            told.Add(steps is null ? $"at {evaluated!.Version}" : $"{steps.First}-{steps.First + steps.Rows.Length - 1}");
            if (steps is not null)
            {
                Assert.Equal(Enumerable.Range(0, steps.Rows.Length).Select(i => 1.0 / (steps.First + i + 1)), steps.LossSums);
            }
        }

        return told;
    }
}
