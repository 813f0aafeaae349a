using System.Collections.Concurrent;
using DistributedTrainer.Cluster.Supply;
using DistributedTrainer.Cluster.Tests.Support;
using DistributedTrainer.Data;
using DistributedTrainer.Data.Supply;

namespace DistributedTrainer.Cluster.Tests.Supply;

/// <summary>Rows that are fetched beside the steps; the source waits wherever the test says so.</summary>
[Collection(nameof(CacheFolder))]
public sealed class RowFetchTests : IDisposable
{
    private readonly Source _source = new(new TestExperiment { Split = "{ validation: 0.2, test: 0.2 }" }.Plan().Data);
    private readonly BlockingCollection<(int[] Shards, string? Problem)> _told = [];
    private readonly RowFetch _fetch;

    public RowFetchTests(CacheFolder cache)
    {
        cache.Clear();
        _fetch = new RowFetch(new PreparedData(_source.Own.Describe(), 4, _source, static _ => { }, heldBytes: 0), (shards, problem) => _told.Add((shards, problem)));
    }

    public void Dispose()
    {
        _source.Pass.Set();
        _fetch.Dispose();
        _told.Dispose();
    }

    [Fact]
    public void It_tells_when_all_rows_are_there_and_again_when_it_is_asked_again()
    {
        _source.Pass.Set();
        _fetch.Want([1, 3]);
        Told([1, 3]);
        Assert.Equal([1, 3], _source.Shards);
        var asked = _source.Asked.Count;
        _fetch.Want([3]);
        Told([3]);
        _fetch.Want([3]);
        Told([3]);
        Assert.Equal(asked, _source.Asked.Count);
    }

    [Fact]
    public void Asked_again_while_it_is_at_it_it_fetches_once_and_tells_once()
    {
        _fetch.Want([1, 3]);
        _source.Begun.Take(Limit);
        _fetch.Want([1, 3]);
        _source.Pass.Set();
        Told([1, 3]);
        Assert.Equal(6, _source.Asked.Count);
        _fetch.Want([0]);
        Told([0]);
    }

    [Fact]
    public void What_is_wanted_still_goes_on_and_the_rest_is_given_up()
    {
        _fetch.Want([1, 3]);
        _source.Begun.Take(Limit);
        _fetch.Want([1, 2]);
        _source.Pass.Set();
        Told([1, 2]);
        Assert.Equal([1, 2], _source.Shards);
        Assert.Equal(0, _source.GivenUp);
    }

    [Fact]
    public void Shards_that_were_placed_elsewhere_are_given_up_where_they_are()
    {
        _fetch.Want([1, 3]);
        _source.Begun.Take(Limit);
        _fetch.Keep([0, 3]);
        _source.Pass.Set();
        Told([3]);
        Assert.Equal(1, _source.GivenUp);
        Assert.Equal(1, _source.Asked.Count(static range => range.First == 1));
    }

    [Fact]
    public void Whoever_wants_nothing_any_more_is_told_nothing()
    {
        _fetch.Want([1, 3]);
        _source.Begun.Take(Limit);
        _fetch.Dispose();
        _source.Pass.Set();
        _fetch.Want([2]);
        Told([2]);
        Assert.Equal(1, _source.GivenUp);
    }

    [Fact]
    public void Why_rows_cannot_be_had_is_told_and_it_may_be_tried_again()
    {
        _source.Pass.Set();
        _source.Problem = "nobody has them";
        _fetch.Want([2]);
        Told([2], "nobody has them");
        _source.Problem = null;
        _fetch.Want([2]);
        Told([2]);
    }

    private static readonly CancellationToken Limit = new CancellationTokenSource(TimeSpan.FromMinutes(2)).Token;

    private void Told(int[] shards, string? problem = null)
    {
        var told = _told.Take(Limit);
        Assert.Equal(shards, told.Shards);
        Assert.Equal(problem, told.Problem);
    }

    /// <summary>Has the rows, and gives none before it may.</summary>
    private sealed class Source(PreparedData own) : IRecordSource
    {
        public PreparedData Own => own;

        public ConcurrentQueue<RecordRange> Asked { get; } = new();

        public IEnumerable<int> Shards => Asked.Select(static range => range.First).Distinct();

        public BlockingCollection<RecordRange> Begun { get; } = [];

        public ManualResetEventSlim Pass { get; } = new();

        public int GivenUp { get; private set; }

        public string? Problem { get; set; }

        public bool Fetch(RecordRange range, Span<byte> into, Func<bool> isGivenUp)
        {
            Asked.Enqueue(range);
            Begun.Add(range);
            Pass.Wait(Limit);
            if (Problem is not null)
            {
                throw new IOException(Problem);
            }

            if (isGivenUp())
            {
                GivenUp++;
                return false;
            }

            IRecordSet set = range.Set == 0 ? own.Training : range.Set == 1 ? own.Validation : own.Test;
            for (var i = 0; i < range.Count; i++)
            {
                set.CopyRecord(range.First + (i * range.Stride), into.Slice(i * set.RecordBytes, set.RecordBytes));
            }

            return true;
        }
    }
}
