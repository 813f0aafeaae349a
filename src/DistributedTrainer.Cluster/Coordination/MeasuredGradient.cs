using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Coordination;

/// <summary>The norms of a step's gradient, of which each partition tells its part.</summary>
internal sealed class MeasuredGradient(TrainingPlan plan)
{
    private readonly double[]?[] _parts = new double[plan.Ranges.Count][];
    private int _rows;

    /// <summary>Whether all partitions have told theirs.</summary>
    public bool IsWhole => Array.TrueForAll(_parts, static part => part is not null);

    /// <summary>Takes a partition's sums of squares. Returns whether they are of one of the run's partitions, and all of its.</summary>
    public bool Add(Partitions.Measured measured)
    {
        var id = measured.Partition.Value;
        if (id < 0 || id >= _parts.Length || measured.Squares.Length != TensorsIn(id).Count())
        {
            return false;
        }

        (_parts[id], _rows) = (measured.Squares, measured.Rows);
        return true;
    }

    /// <summary>√(sum of squares) / rows of each described tensor: the norm of the mean gradient. Parts are added in the order of the partitions.</summary>
    public double[] Norms()
    {
        var norms = new double[plan.DescribedTensors];
        for (var id = 0; id < _parts.Length; id++)
        {
            foreach (var (i, tensor) in TensorsIn(id).Index())
            {
                norms[tensor] += _parts[id]![i];
            }
        }

        return Array.ConvertAll(norms, squares => Math.Sqrt(squares) / _rows);
    }

    private IEnumerable<int> TensorsIn(int partition) => plan.Ranges[partition].Pieces.Select(static piece => piece.Tensor).Where(tensor => tensor < plan.DescribedTensors);
}
