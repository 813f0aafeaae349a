using System.Text.Json;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Servers;

public sealed class EvaluationJudgeTests
{
    private static readonly TestExperiment Experiment = new()
    {
        Split = "{ validation: 0.2 }",
        Optimizer = "{ kind: sgd, learning-rate: 0.1, schedule: { kind: reduce-on-plateau, factor: 0.5, patience: 1 } }",
        Training = "{ epochs: 40, batch-size: 30, shards: 3, early-stopping: { patience: 6 } }",
    };

    private static readonly double[] Losses = [0.9, 0.8, 0.85, 0.81, 0.82, double.NaN, 0.83, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76];

    [Fact]
    public void One_that_goes_on_from_what_another_remembers_judges_as_that_one()
    {
        var plan = Experiment.Plan();
        var whole = new EvaluationJudge(plan);
        for (var i = 0; i < Losses.Length; i++)
        {
            var resumed = new EvaluationJudge(plan) { Memory = JsonSerializer.Deserialize<Judgement>(JsonSerializer.Serialize(whole.Memory))! };
            for (var j = i; j < Losses.Length; j++)
            {
                var rest = new EvaluationJudge(plan) { Memory = resumed.Memory };
                resumed.Judge(j + 1, Sums(Losses[j]));
                rest.Judge(j + 1, Sums(Losses[j]));
                Assert.Equal((resumed.Memory, resumed.Verdict, resumed.Stops), (rest.Memory, rest.Verdict, rest.Stops));
            }

            Assert.Equal((true, 8L), (resumed.Stops, resumed.Verdict.BestVersion));
            Assert.Equal(Whole(plan).Memory, resumed.Memory);
            whole.Judge(i + 1, Sums(Losses[i]));
        }

        Assert.True(whole.Verdict.Reductions > 1);
    }

    [Fact]
    public void One_that_has_judged_nothing_remembers_nothing()
    {
        var judge = new EvaluationJudge(Experiment.Plan());
        Assert.Equal(new Judgement(null, 0, 0, 0, null, 0, 0), judge.Memory);
        Assert.Equal(default, judge.Verdict);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 100_000_000_000)]
    [InlineData(65535, 1)]
    public void A_verdict_travels_in_one_number(int reductions, long version)
    {
        var verdict = new Verdict(reductions, version);
        Assert.Equal(verdict, Verdict.Unpack(verdict.Packed));
    }

    [Fact]
    public void The_board_knows_what_was_judged_before_the_version_that_it_gathers()
    {
        var plan = Experiment.Plan();
        var board = new EvaluationBoard(plan, static _ => { });
        Evaluate(plan, board, 4, 0.5);
        var after = board.JudgementBefore(8);
        Assert.Equal((0.5, 4L), (after.Best, after.BestVersion));
        Assert.Equal(new Judgement(null, 0, 0, 0, null, 0, 0), board.JudgementBefore(4));
        Evaluate(plan, board, 8, 0.25, shards: 2);
        Assert.Equal(after, board.JudgementBefore(8));
        Evaluate(plan, board, 8, 0.25, first: 2);
        Assert.Equal(after, board.JudgementBefore(8));
        Assert.Equal(8, board.JudgementBefore(12).BestVersion);

        // One that begins with it repeats the evaluation of the version, to the same end.
        var resumed = new EvaluationBoard(plan, static _ => { }, board.JudgementBefore(8));
        Assert.Equal(after, resumed.JudgementBefore(8));
        Evaluate(plan, resumed, 8, 0.25);
        Assert.Equal(board.JudgementBefore(12), resumed.JudgementBefore(12));
    }

    private static EvaluationJudge Whole(Cluster.Planning.TrainingPlan plan)
    {
        var judge = new EvaluationJudge(plan);
        for (var i = 0; i < Losses.Length; i++)
        {
            judge.Judge(i + 1, Sums(Losses[i]));
        }

        return judge;
    }

    private static EvaluationSums Sums(double loss)
    {
        var sums = new EvaluationSums(0);
        sums.Values[0] = loss * 10;
        sums.Values[2] = 10;
        return sums;
    }

    private static void Evaluate(Cluster.Planning.TrainingPlan plan, EvaluationBoard board, long version, double loss, int first = 0, int shards = 3)
    {
        for (var shard = first; shard < shards; shard++)
        {
            var header = new Channels.FrameHeader { Kind = Channels.FrameKind.Evaluation, Step = version, Index = shard, PayloadBytes = EvaluationSums.BytesFor(plan.Model.Units) };
            var sums = board.Reserve(header)!;
            sums.Values[0] = loss;
            sums.Values[2] = 1;
            board.Complete(new RecordingChannel(), header, sums);
        }
    }
}
