using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Engine.Autograd;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Reduction;

namespace DistributedTrainer.Cluster.Servers;

/// <summary>
/// Gives workers of the server's host seats at a board, where they read each other's sums of batch norm as soon as they are
/// written, and the server reads them when it needs them: nobody has to be woken in between. It says whether all who wait for
/// totals have one; with somebody who has not, all sums go by the server. Not thread-safe.
/// </summary>
internal sealed class StatisticsSeats(TrainingPlan plan, long course)
{
    // A connection takes one; when all are taken everybody moves to a new board. The first is the server's.
    private const int Seats = 32;
    private const int Own = 0;

    private readonly int[] _capacities = StatisticsNotes.Capacities(plan);

    // By whether they have a seat.
    private readonly Dictionary<IChannel, bool> _known = [];
    private byte[] _note = [];
    private SharedBoard? _board;

    // What is shown of a step may stand on the one before, where everybody moved in its middle.
    private SharedBoard? _previous;

    /// <summary>Whether there is somebody, and all have a seat.</summary>
    public bool AreComplete => _board is { IsOpen: true };

    /// <summary>Somebody who waits for totals.</summary>
    public void Admit(IChannel channel)
    {
        if (_known.ContainsKey(channel))
        {
            return;
        }

        if (_board is null || _board.Taken == _board.Seats)
        {
            Move();
        }

        _known[channel] = TrySeat(channel);
        Look();
    }

    /// <summary>A closed channel. Its seat stays empty: who sat there may yet be in the middle of a note.</summary>
    public void Forget(IChannel channel)
    {
        if (_known.Remove(channel))
        {
            Look();
        }
    }

    /// <summary>Takes what is shown of a step.</summary>
    /// <param name="slot">Of which layer.</param>
    /// <param name="backward">In which direction.</param>
    /// <param name="step">The step.</param>
    /// <param name="into">Gives where it goes, once there is something.</param>
    public void Collect(BatchNormSlot slot, bool backward, long step, Func<TreeGather<ColumnSums>> into)
    {
        Collect(_board, slot, backward, step, into);
        Collect(_previous, slot, backward, step, into);
    }

    /// <summary>From now on whoever shows sums of this step is to send them as well. Look once more afterwards.</summary>
    public void Want(BatchNormSlot slot, bool backward, long step)
    {
        foreach (var board in (SharedBoard?[])[_board, _previous])
        {
            if (board is not null)
            {
                new BoardSeat(board, Own).Want(StatisticsNotes.Entry(slot.Index, backward), step);
            }
        }
    }

    private void Collect(SharedBoard? board, BatchNormSlot slot, bool backward, long step, Func<TreeGather<ColumnSums>> into)
    {
        var key = new BoardKey(plan.Token, step);
        for (var seat = Own + 1; seat < board?.Taken; seat++)
        {
            if (board.TryRead(seat, StatisticsNotes.Entry(slot.Index, backward), key, _note, out var length))
            {
                StatisticsNotes.Offer(plan, step, slot, _note.AsSpan(0, length), into());
            }
        }
    }

    private void Move()
    {
        (_previous, _board) = (_board, SharedBoard.Create(Seats, _capacities, course));
        _note = _note.Length > 0 ? _note : new byte[_capacities.Max()];

        // Where there is no memory for the first, nobody gets a seat.
        _board.TryTakeSeat(out _);
        foreach (var known in _known.Keys.ToArray())
        {
            _known[known] = TrySeat(known);
        }
    }

    private bool TrySeat(IChannel channel) => _board!.TryTakeSeat(out var seat) && channel.TryShare(_board, seat);

    private void Look() => _board!.IsOpen = _known.Count > 1 && _known.Values.All(static seated => seated);
}
