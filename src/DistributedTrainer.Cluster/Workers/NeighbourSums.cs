using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Workers;

/// <summary>
/// Sums of batch norm of the other workers of this host, read where these wrote them. A sum is the same whoever computed it
/// and whenever, so that whatever is found of the step may be used.
/// </summary>
/// <param name="plan">The run.</param>
/// <param name="place">This worker's seat at the board, which may be another one later; null: it has none.</param>
internal sealed class NeighbourSums(TrainingPlan plan, Func<BoardSeat?> place)
{
    private readonly byte[] _note = new byte[StatisticsNotes.Capacities(plan).DefaultIfEmpty().Max()];
    private BoardSeat? _seat;
    private BoardKey _key;
    private BatchNormSlot _slot = null!;
    private int _entry;

    /// <summary>The course of the run: another one where training went back.</summary>
    public long Course { get; set; }

    /// <summary>Whether somebody waits for these sums at the server.</summary>
    public bool IsWanted => _seat!.IsWanted(_entry, _key.Step);

    /// <summary>
    /// Shows one's own. False: there is no board here, or it is of another course, or not all who exchange sums are at it; then
    /// they go by the server.
    /// </summary>
    public bool TryShow(long step, BatchNormSlot slot, bool backward, List<(TreeNode Node, ColumnSums Value)> own)
    {
        _seat = place();
        if (_seat is not { Board.IsOpen: true } || _seat.Board.Course != Course || _seat.Board.Entries != 2 * plan.Model.BatchNorms.Count || !StatisticsNotes.TryWrite(slot, own, _note, out var length))
        {
            return false;
        }

        (_key, _slot, _entry) = (new BoardKey(plan.Token, step), slot, StatisticsNotes.Entry(slot.Index, backward));
        _seat.Write(_entry, _key, _note.AsSpan(0, length));
        return true;
    }

    /// <summary>Takes what the others show.</summary>
    public void Collect(TreeGather<ColumnSums> into)
    {
        var board = _seat!.Board;
        for (var seat = board.Taken - 1; seat >= 0 && into.Total is null; seat--)
        {
            if (seat != _seat.Number && board.TryRead(seat, _entry, _key, _note, out var length))
            {
                StatisticsNotes.Offer(plan, _key.Step, _slot, _note.AsSpan(0, length), into);
            }
        }
    }

    /// <summary>From now on sums are awaited from the server, and whoever shows some is to send them there as well.</summary>
    public void GoByServer() => _seat!.Want(_entry, _key.Step);
}
