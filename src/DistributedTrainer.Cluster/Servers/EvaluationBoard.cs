using DistributedTrainer.Channels;
using DistributedTrainer.Engine.Reduction;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>Loss, right answers and rows of a shard's validation and test rows, as workers send them.</summary>
internal sealed class EvaluationSums
{
    public const int Bytes = 6 * sizeof(double);

    /// <summary>Validation loss, right answers, rows; then the same of the test rows. Counts below 2^53 are exact.</summary>
    public double[] Values { get; } = new double[6];

    public SetSums Validation => new(Values[0], (long)Values[1], (long)Values[2]);

    public SetSums Test => new(Values[3], (long)Values[4], (long)Values[5]);
}

/// <summary>Gathers the evaluation of one parameter version over all shards and lets the workers go on.</summary>
internal sealed class EvaluationBoard(int shards, Action<long, EvaluationSums> evaluated)
{
    private readonly object _gate = new();
    private readonly TreeGather<EvaluationSums> _gather = new(new FixedTree(shards), Add, static _ => { });
    private readonly List<IChannel> _waiting = [];
    private long _version = -1;
    private bool _done;

    public int Shards => shards;

    public void Complete(IChannel channel, in FrameHeader frame, EvaluationSums sums)
    {
        lock (_gate)
        {
            if (frame.Step < _version)
            {
                return;
            }

            if (frame.Step > _version)
            {
                _version = frame.Step;
                _done = false;
                _waiting.Clear();
                _gather.Reset(static _ => true);
            }

            _gather.Offer(TreeNode.OfLeaf(frame.Index), sums);
            if (!_waiting.Contains(channel))
            {
                _waiting.Add(channel);
            }

            if (_gather.Total is not { } total)
            {
                return;
            }

            foreach (var waiting in _waiting)
            {
                waiting.Post(frame with { Kind = FrameKind.Verdict, PayloadBytes = 0 }, new OwnBytes([]));
            }

            _waiting.Clear();
            if (!_done)
            {
                _done = true;
                evaluated(_version, total);
            }
        }
    }

    private static void Add(EvaluationSums left, EvaluationSums right)
    {
        for (var i = 0; i < left.Values.Length; i++)
        {
            left.Values[i] += right.Values[i];
        }
    }
}
