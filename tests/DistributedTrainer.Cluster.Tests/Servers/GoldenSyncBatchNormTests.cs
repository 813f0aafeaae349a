using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Cluster.Servers;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Kernels;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Tests.Servers;

/// <summary>
/// Batch normalisation of a batch that lies with several workers in uneven parts, through the board, against PyTorch.
/// Each row is a leaf of its own; a worker sends what it can combine of its part.
/// </summary>
public sealed class GoldenSyncBatchNormTests : IDisposable
{
    private static readonly JsonElement Golden = Load();
    private readonly TemporaryFolder _folder = new();
    private readonly int[] _parts = [.. Golden.GetProperty("parts").EnumerateArray().Select(static part => part.GetInt32())];
    private readonly int _rows = Golden.GetProperty("x").GetProperty("shape")[0].GetInt32();
    private readonly int _channels = Golden.GetProperty("x").GetProperty("shape")[1].GetInt32();
    private readonly TrainingPlan _plan;
    private readonly StatisticsBoard _board;

    public GoldenSyncBatchNormTests()
    {
        var x = Values("x");
        var lines = Enumerable.Range(0, _rows).Select(row => string.Join(',', x.Skip(row * _channels).Take(_channels).Select(static value => value.ToString("R", CultureInfo.InvariantCulture)).Append(row % 2 == 0 ? "a" : "b")));
        var header = string.Join(',', Enumerable.Range(0, _channels).Select(static c => $"x{c}").Append("class"));
        var momentum = Golden.GetProperty("momentum").GetDouble().ToString(CultureInfo.InvariantCulture);
        _plan = new TestExperiment
        {
            Source = _folder.Write("x.csv", header + "\n" + string.Join('\n', lines) + "\n"),
            Layers = [$"batch-norm: {{ momentum: {momentum} }}", "linear: 2"],
            Training = $"{{ steps: 1, batch-size: {_rows}, shards: {_rows} }}",
        }.Plan(_folder.Path);
        _board = new StatisticsBoard(_plan);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Uneven_parts_give_the_values_of_the_whole_batch()
    {
        var (x, dy, gamma, beta) = (Values("x"), Values("dy"), Weights("weights", "weight"), Weights("weights", "bias"));
        var forward = Exchange(backward: false, row =>
        {
            var sums = new ColumnSums(_channels) { Rows = 1 };
            BatchNormKernel.Moments(Row(x, row), sums.First, sums.Second);
            return sums;
        });
        Assert.Equal(_rows, forward.Rows);

        var epsilon = Golden.GetProperty("epsilon").GetDouble();
        var inverse = forward.Second.ToArray().Select(m2 => (float)(1 / Math.Sqrt((m2 / _rows) + epsilon))).ToArray();
        var (xhat, y, dx) = (new float[x.Length], new float[x.Length], new float[x.Length]);
        BatchNormKernel.Normalize(xhat, y, x, forward.First, inverse, gamma, beta);
        Close(Values("y"), y);

        var backward = Exchange(backward: true, row =>
        {
            var sums = new ColumnSums(_channels) { Rows = 1 };
            BatchNormKernel.BackwardSums(Row(dy, row), Row(xhat, row), sums.First, sums.Second);
            return sums;
        });
        Close(Weights("gradients", "bias"), [.. backward.First.ToArray().Select(static value => (float)value)]);
        Close(Weights("gradients", "weight"), [.. backward.Second.ToArray().Select(static value => (float)value)]);
        BatchNormKernel.BackwardInput(dx, dy, xhat, gamma, inverse, backward.First, backward.Second, _rows);
        Close(Values("dx"), dx);

        float[] running = [.. new float[_channels], .. Enumerable.Repeat(1f, _channels)];
        _board.UpdateRunning(0, running);
        Close(Values("runningMean"), running[.._channels]);
        Close(Values("runningVar"), running[_channels..]);
    }

    private static JsonElement Load()
    {
        var folder = Environment.GetEnvironmentVariable("GOLDEN_DIR") ?? Path.Combine(AppContext.BaseDirectory, "golden");
        return JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "sync-batch-norm.json"))).RootElement;
    }

    private static float[] Values(string name) => Values(Golden.GetProperty(name));

    private static float[] Weights(string group, string name) => Values(Golden.GetProperty(group).GetProperty(name));

    private static float[] Values(JsonElement tensor) => [.. tensor.GetProperty("values").EnumerateArray().Select(static value => (float)value.GetDouble())];

    private static void Close(float[] expected, float[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            Assert.InRange(actual[i], expected[i] - Tolerance(expected[i]), expected[i] + Tolerance(expected[i]));
        }
    }

    private static double Tolerance(double value) => 1e-6 + (1e-5 * Math.Abs(value));

    private float[] Row(float[] values, int row) => values[(row * _channels)..((row + 1) * _channels)];

    private ColumnSums Exchange(bool backward, Func<int, ColumnSums> leaf)
    {
        var channels = new List<RecordingChannel>();
        var first = 0;
        foreach (var part in _parts)
        {
            var gather = new TreeGather<ColumnSums>(new FixedTree(_rows), backward ? ColumnSums.Add : ColumnSums.CombineMoments, static _ => { });
            for (var row = first; row < first + part; row++)
            {
                gather.Offer(TreeNode.OfLeaf(row), leaf(row));
            }

            first += part;
            var channel = new RecordingChannel();
            channels.Add(channel);
            foreach (var (node, sums) in gather.Present())
            {
                var header = new FrameHeader
                {
                    Kind = FrameKind.Statistics,
                    Level = node.Level,
                    Index = node.Index,
                    Rows = (int)sums.Rows,
                    Flags = (byte)(StatisticsFlags.WantsTotal | (backward ? StatisticsFlags.Backward : 0)),
                    PayloadBytes = sums.Values.Length * sizeof(double),
                };
                var place = _board.Reserve(header, 0, out var refusal);
                Assert.Null(refusal);
                sums.Values.CopyTo(place!.Values, 0);
                _board.Complete(channel, header, place);
            }
        }

        Assert.All(channels, channel => Assert.Equal(channels[0].Last.Payload, channel.Last.Payload));
        var total = new ColumnSums(_channels) { Rows = channels[0].Last.Header.Rows };
        MemoryMarshal.Cast<byte, double>(channels[0].Last.Payload).CopyTo(total.Values);
        return total;
    }
}
