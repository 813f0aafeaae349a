using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class EvaluationBoardTests
{
    private readonly List<(long Version, SetSums Validation, SetSums Test)> _evaluated = [];
    private readonly List<LayerUnits[]> _units = [];
    private readonly EvaluationBoard _board;

    public EvaluationBoardTests() => _board = new EvaluationBoard(new TestExperiment { Training = "{ epochs: 3, batch-size: 30, shards: 3 }" }.Plan(), Evaluated);

    [Fact]
    public void All_workers_go_on_when_the_last_shard_has_come_and_the_sums_are_told_once()
    {
        var (first, second) = (new RecordingChannel(), new RecordingChannel());
        Send(first, 5, 0);
        Send(first, 5, 1);
        Assert.Empty(first.Posted);
        Send(second, 5, 2);
        Assert.Equal((FrameKind.Verdict, 5L), (Assert.Single(first.Posted).Header.Kind, first.Last.Header.Step));
        Assert.Single(second.Posted);
        Assert.Equal((5L, new SetSums((0.1 + 0.2) + 0.3, 6, 9), new SetSums((1.0 + 2.0) + 3.0, 3, 6)), Assert.Single(_evaluated));
    }

    [Fact]
    public void Any_order_gives_the_same_bits()
    {
        Send(new RecordingChannel(), 5, 2);
        Send(new RecordingChannel(), 5, 1);
        Send(new RecordingChannel(), 5, 0);
        Assert.Equal((0.1 + 0.2) + 0.3, Assert.Single(_evaluated).Validation.Loss);
    }

    [Fact]
    public void A_worker_that_repeats_its_shard_is_answered_and_counted_once()
    {
        var repeated = new RecordingChannel();
        Enumerable.Range(0, 3).ToList().ForEach(shard => Send(new RecordingChannel(), 5, shard));
        Send(repeated, 5, 1);
        Assert.Single(repeated.Posted);
        Assert.Single(_evaluated);
    }

    [Fact]
    public void A_worker_that_comes_when_the_others_have_gone_on_gets_their_verdict()
    {
        var channel = new RecordingChannel();
        Enumerable.Range(0, 3).ToList().ForEach(shard => Send(channel, 5, shard));
        var given = channel.Last.Header;
        Assert.Equal(5, Verdict.Unpack(given.Count).BestVersion);
        var late = _board.Late(new FrameHeader { Kind = FrameKind.Evaluation, Step = 5, Index = 1 });
        Assert.Equal((FrameKind.Verdict, given.Count, given.Flags), (late.Kind, late.Count, late.Flags));
        Assert.Equal(0, _board.Late(new FrameHeader { Kind = FrameKind.Evaluation, Step = 4 }).Count);
    }

    [Fact]
    public void Where_the_run_pauses_the_workers_are_told_to_end_and_it_is_not_the_end()
    {
        var outcomes = new List<EvaluationOutcome>();
        var board = new EvaluationBoard(new TestExperiment { Training = "{ epochs: 3, batch-size: 30, shards: 3, pause-after: 2 }" }.Plan(), outcomes.Add);
        var channel = new RecordingChannel();
        foreach (var version in (long[])[5, 10])
        {
            for (var shard = 0; shard < 3; shard++)
            {
                board.Complete(channel, new FrameHeader { Kind = FrameKind.Evaluation, Step = version, Index = shard }, new EvaluationSums(8));
            }
        }

        Assert.Equal([(5L, 0), (10L, EvaluationBoard.StopFlag)], channel.Posted.Select(static posted => (posted.Header.Step, (int)posted.Header.Flags)));
        Assert.Equal([false, false], outcomes.Select(static outcome => outcome.Last));
        Assert.Equal(EvaluationBoard.StopFlag, board.Late(new FrameHeader { Kind = FrameKind.Evaluation, Step = 10 }).Flags);
    }

    [Fact]
    public void Half_an_older_evaluation_is_forgotten_with_the_next_version()
    {
        Send(new RecordingChannel(), 5, 0);
        var channel = new RecordingChannel();
        Send(channel, 10, 1);
        Send(channel, 5, 2);
        Send(channel, 10, 2);
        Assert.Empty(_evaluated);
        Send(channel, 10, 0);
        Assert.Equal(10, Assert.Single(_evaluated).Version);
        Assert.Equal(10, Assert.Single(channel.Posted).Header.Step);
    }

    [Fact]
    public void A_unit_that_lives_in_any_shard_is_not_dead()
    {
        foreach (var shard in (int[])[1, 0, 2, 2])
        {
            Send(new RecordingChannel(), 5, shard);
        }

        Assert.Equal([new LayerUnits("1", "relu", 8, 4, 7)], Assert.Single(_units));
    }

    private void Evaluated(EvaluationOutcome outcome)
    {
        _evaluated.Add((outcome.Version, outcome.Sums.Validation, outcome.Sums.Test));
        _units.Add(outcome.Units);
    }

    private void Send(RecordingChannel channel, long version, int shard)
    {
        var sums = new EvaluationSums(8);
        double[] losses = [0.1, 0.2, 0.3];
        ((double[])[losses[shard], shard + 1, 3, shard + 1, 1, 2]).CopyTo(sums.Values);

        // Units 0 to 2 live in one shard each, unit 3 in all; unit 0 alone is steep.
        (sums.Units[shard], sums.Units[3]) = (ActivationSlot.Alive, ActivationSlot.Alive);
        sums.Units[0] |= shard == 2 ? ActivationSlot.Steep : (byte)0;
        _board.Complete(channel, new FrameHeader { Kind = FrameKind.Evaluation, Step = version, Index = shard }, sums);
    }
}
