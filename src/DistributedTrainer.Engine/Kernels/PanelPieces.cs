namespace DistributedTrainer.Engine.Kernels;

/// <summary>Cuts a row of columns into panels, and each panel into pieces whose places in memory follow one another.</summary>
internal sealed class PanelPieces(int panelWidth)
{
    private readonly List<int> _places = [];
    private readonly List<int> _columns = [];
    private readonly List<int> _lengths = [];
    private readonly List<int> _first = [];
    private int _count;
    private int _next;

    /// <summary>For each panel its first piece, and behind the last panel the number of pieces.</summary>
    public int[] First { get; private set; } = [];

    /// <summary>For each piece the place of its first column in memory.</summary>
    public int[] Places { get; private set; } = [];

    /// <summary>For each piece its first column within the panel.</summary>
    public int[] Columns { get; private set; } = [];

    /// <summary>For each piece its columns.</summary>
    public int[] Lengths { get; private set; } = [];

    /// <summary>The next column; it continues the piece before if its place follows by the step and the piece has room.</summary>
    public void Add(int place, int step, int maximumLength)
    {
        var column = _count++ % panelWidth;
        if (column == 0)
        {
            _first.Add(_places.Count);
        }

        if (column > 0 && place == _next && _lengths[^1] < maximumLength)
        {
            _lengths[^1]++;
        }
        else
        {
            _places.Add(place);
            _columns.Add(column);
            _lengths.Add(1);
        }

        _next = place + step;
    }

    /// <summary>Makes the tables.</summary>
    public void Close()
    {
        _first.Add(_places.Count);
        (First, Places, Columns, Lengths) = ([.. _first], [.. _places], [.. _columns], [.. _lengths]);
    }
}
