using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Cluster.Timeline;
using DistributedTrainer.Experiments;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Timeline;

public sealed class TimelineFileTests : IDisposable
{
    private static readonly Nodes.Recorded Recorded = new(new RunId("r"), new NodeId("w"), "w/0", -3, 4, 0, 1000, [0, 2], [5, 5], [0, 7], [7, 1]);

    private readonly TemporaryFolder _folder = new();

    private string Place => Path.Combine(_folder.Path, TimelineFile.Name);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Spans_and_events_are_read_as_they_were_written_and_a_torn_line_is_left_out()
    {
        using (var file = new TimelineFile(_folder.Path, TimelineKind.Sampled, goesOn: false))
        {
            file.Add(Recorded);
            file.Event("generation", "generation 2", 6, 2000);
            file.Event("checkpoint", "checkpoint of step 6", 6, 2100, 50);

            // Of an enemy, or of another version.
            file.Add(Recorded with { Steps = [5] });
        }

        File.AppendAllText(Place, "{\"node\":\"w\",\"tra");
        var lines = TimelineFile.Read(Place).ToArray();
        Assert.Equal(3, lines.Length);
        Assert.Equal(("w", "w/0", -3L, 4L, 1000L), (lines[0].Node!, lines[0].Track!, lines[0].Offset, lines[0].OffsetError!.Value, lines[0].At));
        Assert.Equal([[0, 5, 0, 7], [2, 5, 7, 1]], lines[0].Spans!);
        Assert.Equal(("generation", null, 6L), (lines[1].Event!, lines[1].Duration, lines[1].Step!.Value));
        Assert.Equal(50, lines[2].Duration);
    }

    [Fact]
    public void The_file_does_not_grow_without_end()
    {
        using (var before = new FileStream(Place, FileMode.Create))
        {
            before.SetLength(TimelineFile.SampledLimit - 1);
        }

        using (var file = new TimelineFile(_folder.Path, TimelineKind.Sampled, goesOn: true))
        {
            file.Add(Recorded);
            file.Flush();
            var full = new FileInfo(Place).Length;
            Assert.True(full > TimelineFile.SampledLimit);
            file.Add(Recorded);
            file.Event("generation", "generation 3", 7, 3000);
            file.Flush();
            Assert.Equal(full, new FileInfo(Place).Length);
        }
    }

    [Fact]
    public void There_is_none_where_nothing_is_recorded()
    {
        using (var file = new TimelineFile(_folder.Path, TimelineKind.Off, goesOn: false))
        {
            file.Add(Recorded);
            file.Flush();
        }

        Assert.False(File.Exists(Place));
    }
}
