using CsCheck;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Initializers;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Cluster.Tests.Planning;

public sealed class PartitionMapTests
{
    private static readonly Gen<(int[] Sizes, int Partitions)> Layouts = Gen.Select(Gen.Int[1, 9000].Array[1, 6], Gen.Int[1, 9]);

    [Fact]
    public void Partitions_follow_one_another_and_cover_the_vector()
    {
        Layouts.SampleSeeded(
            layout =>
            {
                var ranges = PartitionMap.Cut(Layout(layout.Sizes), layout.Partitions, decayBiases: false);
                var at = 0;
                for (var id = 0; id < ranges.Count; id++)
                {
                    Assert.Equal((id, at), (ranges[id].Id, ranges[id].Offset));
                    Assert.InRange(ranges[id].Length, 1, int.MaxValue);
                    Assert.Equal(0, ranges[id].Offset % 4096);
                    at += ranges[id].Length;
                }

                Assert.Equal(layout.Sizes.Sum(), at);
            },
            seed: "0000KOIPe036", iter: 200);
    }

    [Fact]
    public void Pieces_cover_each_partition_exactly_and_know_what_decays()
    {
        Layouts.SampleSeeded(
            layout =>
            {
                var slots = Layout(layout.Sizes);
                foreach (var range in PartitionMap.Cut(slots, layout.Partitions, decayBiases: false))
                {
                    var at = 0;
                    foreach (var piece in range.Pieces)
                    {
                        Assert.Equal(at, piece.Start);
                        at += piece.Length;
                        var slot = slots.Slots.Last(slot => slot.Offset <= range.Offset + piece.Start);
                        Assert.Equal(slot.Decays, piece.Decays);
                        Assert.True(range.Offset + piece.Start + piece.Length <= slot.Offset + slot.Shape.Elements);
                    }

                    Assert.Equal(range.Length, at);
                }
            },
            seed: "0000KOIPe036", iter: 200);
    }

    [Fact]
    public void Partitions_differ_by_one_block_at_most()
    {
        Layouts.SampleSeeded(
            layout =>
            {
                var blocks = PartitionMap.Cut(Layout(layout.Sizes), layout.Partitions, decayBiases: false).Select(static range => (range.Length + 4095) / 4096).ToArray();
                Assert.InRange(blocks.Max() - blocks.Min(), 0, 1);
            },
            seed: "0000KOIPe036", iter: 200);
    }

    [Fact]
    public void A_small_model_has_fewer_partitions_than_asked_for()
    {
        Assert.Single(PartitionMap.Cut(Layout([4096]), 5, decayBiases: false));
        Assert.Equal([4096, 1], PartitionMap.Cut(Layout([4097]), 5, decayBiases: false).Select(static range => range.Length));
    }

    [Fact]
    public void Biases_decay_where_the_experiment_says_so()
    {
        var ranges = PartitionMap.Cut(Layout([10, 10]), 1, decayBiases: true);
        Assert.All(ranges[0].Pieces, static piece => Assert.True(piece.Decays));
    }

    // Weights and biases in turn.
    private static ParameterLayout Layout(int[] sizes)
    {
        var slots = new List<ParameterSlot>();
        for (var i = 0; i < sizes.Length; i++)
        {
            slots.Add(new ParameterSlot($"{i}", sizes[..i].Sum(), new Shape(sizes[i]), i % 2 == 0, new InitialValue(0)));
        }

        return new ParameterLayout(slots);
    }
}
