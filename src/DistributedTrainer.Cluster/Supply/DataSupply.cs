using System.Text;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Data.Supply;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Supply;

/// <summary>The coordinator's doors for nodes that do not have the data of a run: they ask, it answers with records.</summary>
internal sealed class DataSupply : IDisposable
{
    private readonly OpenDoors _doors;

    private DataSupply(TrainingPlan plan, string host, string node, Action<string> log, string? bind)
    {
        var stock = new Stock(plan);
        _doors = new OpenDoors(host, node, plan.Token, log, _ => new Connection(stock), bind, plan.Certificates);
        Source = new Nodes.DataSource(plan.InputsSha256, host, Environment.ProcessId, _doors.Addresses);
    }

    /// <summary>What nodes are told of it.</summary>
    public Nodes.DataSource Source { get; }

    /// <summary>Opens the doors; null where no file is involved: then every node has the data.</summary>
    /// <param name="plan">The run.</param>
    /// <param name="host">Where nodes reach it.</param>
    /// <param name="node">Names this process on its machine.</param>
    /// <param name="log">Receives what an operator wants to know.</param>
    /// <param name="bind">Where to listen; null: at the host's name.</param>
    /// <exception cref="IOException">They cannot be opened.</exception>
    public static DataSupply? Open(TrainingPlan plan, string host, string node, Action<string> log, string? bind = null) =>
        ExperimentPaths.Files(plan.Experiment).Any() ? new DataSupply(plan, host, node, log, bind) : null;

    public void Dispose() => _doors.Dispose();

    /// <summary>What there is to be had.</summary>
    private sealed class Stock
    {
        private long _answers;

        public Stock(TrainingPlan plan)
        {
            var (data, start) = (plan.Data, plan.Start is { } weights ? new WeightRecords(weights) : null);
            Sets = start is null ? [data.Training, data.Validation, data.Test] : [data.Training, data.Validation, data.Test, start];
            var description = data.Describe();
            description = start is null ? description : description with
            {
                StartSha256 = plan.Start!.Sha256,
                Records = [.. description.Records, start.Count],
                RecordBytes = [.. description.RecordBytes, start.RecordBytes],
            };
            (Description, Key) = (description.ToBytes(), SupplyFrames.Short(description.Key()));
        }

        public byte[] Description { get; }

        public long Key { get; }

        public IRecordSet[] Sets { get; }

        /// <summary>One more answer.</summary>
        public long Count() => Interlocked.Increment(ref _answers);

        /// <summary>Why a question cannot be answered; null: it can.</summary>
        public string? Problem(in FrameHeader question)
        {
            var range = SupplyFrames.RangeOf(question);
            return question.Generation != Key ? "the coordinator has other data than it had before"
                : range.Set < 0 || range.Set >= Sets.Length || range is { First: < 0 } or { Stride: < 1 } or { Count: < 1 } || range.Last >= Sets[range.Set].Count
                || (range.Count > 1 && (long)range.Count * Sets[range.Set].RecordBytes > SupplyFrames.ChunkBytes)
                ? $"there are no records {range}"
                : null;
        }
    }

    private sealed class Connection(Stock stock) : IFrameHandler
    {
        private readonly byte[] _name = new byte[256];
        private byte[] _room = [];

        public Span<byte> Reserve(IChannel channel, in FrameHeader header) =>
            header is { Kind: FrameKind.Request, Flags: 0 } && header.PayloadBytes <= _name.Length ? _name.AsSpan(0, header.PayloadBytes) : [];

        public void Complete(IChannel channel, in FrameHeader header)
        {
            var answer = header with { Kind = FrameKind.Reply };
            switch (header)
            {
                case { Kind: FrameKind.Request, Flags: SupplyFrames.Describe }:
                    answer.Count = SupplyFrames.CheckOf(stock.Description);
                    channel.Send(answer, stock.Description);
                    break;
                case { Kind: FrameKind.Request, Flags: SupplyFrames.Records } when stock.Problem(header) is { } problem:
                    channel.Send(header with { Kind = FrameKind.Refused }, Encoding.UTF8.GetBytes(problem));
                    break;
                case { Kind: FrameKind.Request, Flags: SupplyFrames.Records }:
                    var records = Read(SupplyFrames.RangeOf(header));
                    answer.Count = SupplyFrames.CheckOf(records);
                    channel.Send(answer, records);
                    CrashPoint.Reach("coordinator.supplying", stock.Count());
                    break;
            }
        }

        public void Abandoned(IChannel channel, in FrameHeader header)
        {
        }

        public void Closed(IChannel channel, string reason)
        {
        }

        private ReadOnlySpan<byte> Read(RecordRange range)
        {
            var set = stock.Sets[range.Set];
            var bytes = checked(range.Count * set.RecordBytes);
            _room = _room.Length >= bytes ? _room : new byte[bytes];
            for (var i = 0; i < range.Count; i++)
            {
                set.CopyRecord(range.First + (i * range.Stride), _room.AsSpan(i * set.RecordBytes, set.RecordBytes));
            }

            return _room.AsSpan(0, bytes);
        }
    }
}
