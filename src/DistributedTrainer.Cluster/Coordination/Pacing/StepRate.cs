namespace DistributedTrainer.Cluster.Coordination.Pacing;

/// <summary>
/// Steps a second under one placement, as far as it is known: of slices of a quarter of a second, the mean of the middle half.
/// An evaluation, a checkpoint or a pause is in one of them, and does not count. Time is given, never asked for.
/// </summary>
internal sealed class StepRate
{
    /// <summary>The shortest slice; where a step takes longer, it is a slice of its own.</summary>
    public static readonly TimeSpan Slice = TimeSpan.FromMilliseconds(250);

    // Older ones say little of now.
    private const int Kept = 16;

    private readonly Queue<double> _slices = new();
    private (long Version, TimeSpan At)? _from;

    /// <summary>Slices since the placement began.</summary>
    public int Slices { get; private set; }

    /// <summary>A placement begins: what was measured belongs to another one. Its first slice begins with its first step.</summary>
    public void Begin()
    {
        _slices.Clear();
        (Slices, _from) = (0, null);
    }

    /// <summary>Steps were applied, up to this version; or that is told again.</summary>
    public void Applied(long version, TimeSpan now)
    {
        if (_from is not { } from || version < from.Version)
        {
            _from = (version, now);
        }
        else if (version > from.Version && now - from.At >= Slice)
        {
            _slices.Enqueue((version - from.Version) / (now - from.At).TotalSeconds);
            _from = (version, now);
            Slices++;
            if (_slices.Count > Kept)
            {
                _slices.Dequeue();
            }
        }
    }

    /// <summary>Steps a second in the latest slices; null: there are none.</summary>
    /// <param name="slices">Up to how many.</param>
    public double? Latest(int slices = Kept)
    {
        var sorted = _slices.Skip(_slices.Count - slices).Order().ToArray();
        return sorted.Length == 0 ? null : sorted[(sorted.Length / 4)..(sorted.Length - (sorted.Length / 4))].Average();
    }
}
