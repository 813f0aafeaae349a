namespace DistributedTrainer.Data;

/// <summary>The row that a reader of tables stands on.</summary>
internal interface ITableRow
{
    /// <summary>Where it is.</summary>
    Place Place { get; }

    /// <summary>A cell as text; empty: it has no value.</summary>
    ReadOnlySpan<char> Text(int column);

    /// <summary>A cell as a finite number.</summary>
    bool TryNumber(int column, out float value);
}
