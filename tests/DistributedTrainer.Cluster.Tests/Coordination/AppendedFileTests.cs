using System.Text;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Tests.Support;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class AppendedFileTests
{
    [Fact]
    public void No_line_is_lost_or_doubled_by_a_disk_that_is_full_for_a_while()
    {
        for (var room = 0; room < 30; room++)
        {
            var disk = new Disk { Room = room };
            using var file = new AppendedFile(disk);
            file.Add("first line");
            file.Flush();
            file.Add("second line");
            file.Flush();
            Assert.Equal(room < 23 ? "No space left on device" : null, file.Problem);
            file.Add("third line");
            file.Flush();
            Assert.Equal("No space left on device", file.Problem);
            Assert.StartsWith(disk.Text, "first line\nsecond line\nthird line\n", StringComparison.Ordinal);
            disk.Room = 1000;
            file.Flush();
            Assert.Null(file.Problem);
            file.Add("fourth line");
            file.Flush();
            Assert.Equal("first line\nsecond line\nthird line\nfourth line\n", disk.Text);
        }
    }

    [Fact]
    public void What_is_waiting_at_the_end_is_written()
    {
        var disk = new Disk { Room = 3 };
        var file = new AppendedFile(disk);
        file.Add("a line");
        file.Flush();
        disk.Room = 1000;
        file.Dispose();
        Assert.Equal("a line\n", disk.Text);
    }

    [Fact]
    public void Without_a_disk_at_the_end_there_is_no_failure_but_a_problem()
    {
        var file = new AppendedFile(new Disk { Room = 3 });
        file.Add("a line");
        file.Dispose();
        Assert.Equal("No space left on device", file.Problem);
    }

    [Fact]
    public void Memory_does_not_grow_without_end_while_nothing_can_be_written()
    {
        var disk = new Disk { Room = 0 };
        using var file = new AppendedFile(disk);
        var line = new string('x', (1 << 20) - 1);
        for (var i = 0; i < 80; i++)
        {
            file.Add(line);
            file.Flush();
        }

        disk.Room = 100 << 20;
        file.Flush();
        Assert.Equal(64 << 20, disk.Length);
        file.Add("on it goes");
        file.Flush();
        Assert.EndsWith("x\non it goes\n", disk.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_begins_anew_or_goes_on()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "lines");
        Write("one", goesOn: true);
        Write("two", goesOn: true);
        Assert.Equal("one\ntwo\n", File.ReadAllText(path));
        Write("three", goesOn: false);
        Assert.Equal("three\n", File.ReadAllText(path));

        void Write(string line, bool goesOn)
        {
            using var file = new AppendedFile(path, goesOn);
            file.Add(line);
        }
    }

    /// <summary>A disk with room for so many bytes. Of what has no room it takes the beginning, as a real one.</summary>
    private sealed class Disk : MemoryStream
    {
        public int Room { get; set; }

        public string Text => Encoding.UTF8.GetString(ToArray());

        public override void Write(byte[] buffer, int offset, int count)
        {
            var taken = (int)Math.Clamp(Room - Position, 0, count);
            base.Write(buffer, offset, taken);
            if (taken < count)
            {
                throw new IOException("No space left on device");
            }
        }
    }
}
