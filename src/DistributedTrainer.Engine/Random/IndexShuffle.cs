namespace DistributedTrainer.Engine.Random;

/// <summary>Fisher-Yates with numbers by position: the order depends on the stream's names alone.</summary>
public static class IndexShuffle
{
    /// <summary>Puts the rows into the stream's order, in place.</summary>
    public static void Shuffle(Span<int> rows, RandomStream stream)
    {
        for (var i = rows.Length - 1; i > 0; i--)
        {
            var j = stream.Below(i, i + 1);
            (rows[i], rows[j]) = (rows[j], rows[i]);
        }
    }
}
