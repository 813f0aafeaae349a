using DistributedTrainer.Channels;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>What the servers answer to a worker that has waited for long, and what they refuse.</summary>
internal sealed partial class WorkerInbox
{
    private readonly Answer[] _answers;
    private volatile bool _hasAnswers;

    /// <summary>Whether a server has answered a question, and the answer was not taken yet.</summary>
    public bool HasAnswers => _hasAnswers;

    /// <summary>Bytes of the longest answer: a bit for each shard.</summary>
    public int AnswerBytes { get; }

    /// <summary>The version that the lead partition said it is at when it was last asked for a sign of life; −1: nothing is known.</summary>
    public long LeadVersion { get; private set; } = -1;

    /// <summary>Whether a partition of a version is being waited for.</summary>
    public bool Wants(int partition, long version)
    {
        lock (Gate)
        {
            return IsWanted(partition, version);
        }
    }

    /// <summary>Whether what was refused is of the step that is worked on. A frame that the network repeated may be refused long afterwards.</summary>
    public bool Concerns(FrameKind refused, int partition, long step)
    {
        lock (Gate)
        {
            return refused switch
            {
                FrameKind.Push => IsWanted(partition, _plan.After(step)),
                FrameKind.Pull or FrameKind.Request => IsWanted(partition, step),
                FrameKind.Statistics => step == _exchanged,
                FrameKind.Evaluation => step > EvaluatedVersion,
                _ => true,
            };
        }
    }

    /// <summary>A partition's server is asked: only the answer with this number counts.</summary>
    public void Asked(int partition, long number)
    {
        lock (Gate)
        {
            (_answers[partition].Number, _answers[partition].IsNew) = (number, false);
        }
    }

    /// <summary>The lead partition gives its sign of life.</summary>
    public void LeadIsAt(long generation, long version)
    {
        lock (Gate)
        {
            // What it says of a course that was given up would put this worker ahead of it.
            LeadVersion = generation >= _loaded ? version : LeadVersion;
            Monitor.PulseAll(Gate);
        }
    }

    public void AnswerArrived(int partition, long number, long version, ReadOnlySpan<byte> lacks)
    {
        lock (Gate)
        {
            if (partition < 0 || partition >= _answers.Length || _arrived[partition] || _wanted < 0)
            {
                return;
            }

            var answer = _answers[partition];
            if (number > 0 && answer.Number == number && !answer.IsNew)
            {
                (answer.Version, answer.IsNew, _hasAnswers) = (version, true, true);
                answer.Lacks.AsSpan().Clear();
                lacks.CopyTo(answer.Lacks);
                Monitor.PulseAll(Gate);
            }
        }
    }

    /// <summary>Takes the answer of a partition's server, if there is a new one.</summary>
    /// <param name="partition">Whose.</param>
    /// <param name="version">The version that is there.</param>
    /// <param name="lacks">A bit for each shard whose leaf has not come.</param>
    public bool TryTakeAnswer(int partition, out long version, Span<byte> lacks)
    {
        lock (Gate)
        {
            var answer = _answers[partition];
            version = answer.Version;
            answer.Lacks.CopyTo(lacks);
            (var isNew, answer.IsNew) = (answer.IsNew, false);
            _hasAnswers = Array.Exists(_answers, static other => other.IsNew);
            return isNew;
        }
    }

    /// <summary>Nothing that was asked is of interest any more.</summary>
    private void ForgetAnswers()
    {
        _hasAnswers = false;
        foreach (var answer in _answers)
        {
            (answer.Number, answer.IsNew) = (0, false);
        }
    }

    /// <summary>What a partition's server has answered to the last question.</summary>
    private sealed class Answer(byte[] lacks)
    {
        public byte[] Lacks => lacks;

        public long Number { get; set; }

        public long Version { get; set; }

        public bool IsNew { get; set; }
    }
}
