using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using DistributedTrainer.Channels.Shared;
using DistributedTrainer.Channels.Tests.Support;

namespace DistributedTrainer.Channels.Tests;

/// <summary>Notes that peers of one host leave for one another.</summary>
public sealed class SharedBoardTests : IDisposable
{
    private static readonly BoardKey Key = new(7, 40);

    private readonly string _folder = Directory.CreateTempSubdirectory("dtb").FullName;
    private readonly ConcurrentQueue<string> _degraded = [];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_note_is_found_by_whoever_looks_for_what_it_is_about_and_by_nobody_else()
    {
        var board = SharedBoard.Create(3, [16, 100]);
        Assert.True(board.TryTakeSeat(out var first));
        Assert.True(board.TryTakeSeat(out var second));
        Assert.Equal((0, 1, 2), (first, second, board.Taken));
        new BoardSeat(board, 0).Write(1, Key, [1, 2, 3]);
        Assert.Equal([1, 2, 3], Read(board, 0, 1, Key));
        Assert.Null(Read(board, 0, 1, Key with { Run = 8 }));
        Assert.Null(Read(board, 0, 1, Key with { Step = 41 }));
        Assert.Null(Read(board, 0, 0, Key));
        Assert.Null(Read(board, 1, 1, Key));

        new BoardSeat(board, 0).Write(1, Key with { Step = 41 }, []);
        Assert.Null(Read(board, 0, 1, Key));
        Assert.Empty(Read(board, 0, 1, Key with { Step = 41 })!);
    }

    [Fact]
    public void Seats_are_given_once()
    {
        var board = SharedBoard.Create(2, [16]);
        Assert.True(board.TryTakeSeat(out _));
        Assert.True(board.TryTakeSeat(out _));
        Assert.False(board.TryTakeSeat(out _));
        Assert.Equal(2, board.Taken);
    }

    [Fact]
    public void What_somebody_wants_of_a_step_all_others_hear()
    {
        var board = SharedBoard.Create(3, [16, 16]);
        Assert.True(board.TryTakeSeat(out _) && board.TryTakeSeat(out _));
        var (one, other) = (new BoardSeat(board, 0), new BoardSeat(board, 1));
        Assert.False(other.IsWanted(0, 0));
        one.Want(0, 5);
        Assert.True(other.IsWanted(0, 5));
        Assert.False(other.IsWanted(0, 4));
        Assert.False(other.IsWanted(1, 5));
        Assert.False(one.IsWanted(0, 5));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        var seat = new BoardSeat(SharedBoard.Create(2, [16]), 0);
        Assert.Throws<ArgumentOutOfRangeException>(() => seat.Write(0, Key, new byte[17]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new BoardSeat(seat.Board, 2).Write(0, Key, []));
        Assert.Throws<ArgumentOutOfRangeException>(() => seat.Board.TryRead(-1, 0, Key, [], out _));
        Assert.ThrowsAny<ArgumentException>(() => SharedBoard.Create(0, [16]));
        Assert.ThrowsAny<ArgumentException>(() => SharedBoard.Create(SharedBoard.MaximumSeats + 1, [16]));
        Assert.ThrowsAny<ArgumentException>(() => SharedBoard.Create(1, []));
        Assert.ThrowsAny<ArgumentException>(() => SharedBoard.Create(1, [-1]));
    }

    /// <summary>Each note is about a step and is filled with it: one that is half another would show.</summary>
    [Fact]
    public void A_note_is_found_whole_or_not_at_all()
    {
        const int Steps = 20_000;
        var board = SharedBoard.Create(1, [8 * 500]);
        Assert.True(board.TryTakeSeat(out _));
        var done = false;
        var writer = Patience.Start(() =>
        {
            var seat = new BoardSeat(board, 0);
            var note = new long[500];
            for (var step = 1L; step <= Steps; step++)
            {
                Array.Fill(note, step);
                seat.Write(0, Key with { Step = step % 2 }, MemoryMarshal.AsBytes(note.AsSpan()));
            }

            Volatile.Write(ref done, true);
        });
        var into = new long[500];
        while (!Volatile.Read(ref done))
        {
            if (board.TryRead(0, 0, Key with { Step = 1 }, MemoryMarshal.AsBytes(into.AsSpan()), out var length))
            {
                Assert.Equal((8 * 500, 1), (length, into[0] % 2));
                Assert.Equal(-1, into.AsSpan().IndexOfAnyExcept(into[0]));
            }
        }

        writer.Await();
        Assert.Null(Read(board, 0, 0, Key with { Step = 1 }));
        Assert.Equal(Steps, BitConverter.ToInt64(Read(board, 0, 0, Key with { Step = 0 })!));
    }

    [Theory]
    [InlineData("in-process")]
    [InlineData("shared-memory")]
    public void A_channel_hands_a_board_over_and_the_last_one_counts(string transport)
    {
        using var link = Open(transport);
        Assert.Null(link.Client.Seat);
        var boards = new[] { SharedBoard.Create(4, [16, 100], course: 6), SharedBoard.Create(2, [16]) };
        Assert.True(boards[0].TryTakeSeat(out _) && boards[0].TryTakeSeat(out var seat));
        Assert.True(link.Server.TryShare(boards[0], 1));
        Patience.Until(() => link.Client.Seat is not null, "the board");
        var here = link.Client.Seat!;
        Assert.Equal((1, 4, 2, 2, 6L), (here.Number, here.Board.Seats, here.Board.Entries, here.Board.Taken, here.Board.Course));
        Assert.Null(link.Server.Seat);

        new BoardSeat(boards[0], 0).Write(1, Key, [1, 2, 3]);
        Assert.Equal([1, 2, 3], Read(here.Board, 0, 1, Key));
        here.Write(0, Key, [4, 5]);
        Assert.Equal([4, 5], Read(boards[0], 1, 0, Key));
        Assert.False(here.Board.IsOpen);
        boards[0].IsOpen = true;
        Assert.True(here.Board.IsOpen);

        Assert.True(link.Server.TryShare(boards[1], 0));
        Patience.Until(() => link.Client.Seat!.Board.Seats == 2, "the other board");
        here.Write(0, Key, [6]);
        Assert.Equal([6], Read(boards[0], 1, 0, Key));
    }

    [Fact]
    public void A_board_outlives_its_channel()
    {
        BoardSeat seat;
        var board = SharedBoard.Create(2, [16]);
        Assert.True(board.TryTakeSeat(out _) && board.TryTakeSeat(out _));
        using (var link = Open("shared-memory"))
        {
            Assert.True(link.Server.TryShare(board, 1));
            Patience.Until(() => link.Client.Seat is not null, "the board");
            seat = link.Client.Seat!;
        }

        seat.Write(0, Key, [9]);
        Assert.Equal([9], Read(board, 1, 0, Key));
    }

    [Fact]
    public void A_closed_channel_and_one_over_a_socket_hand_none_over()
    {
        var board = SharedBoard.Create(2, [16]);
        using var socket = Open("unix");
        Assert.False(socket.Server.TryShare(board, 0));
        var link = Open("shared-memory");
        link.Dispose();
        Assert.False(link.Server.TryShare(board, 0));
        link = Open("in-process");
        link.Dispose();
        Assert.False(link.Server.TryShare(board, 0));
    }

    [Theory]
    [InlineData("magic")]
    [InlineData("seats")]
    [InlineData("entries")]
    [InlineData("too many entries")]
    [InlineData("capacity")]
    [InlineData("longer")]
    public unsafe void What_is_no_board_is_told_and_not_used_and_the_channel_goes_on(string fault)
    {
        var accepted = new TaskCompletionSource<IChannel>(TaskCreationOptions.RunContinuationsAsynchronously);
        var server = new RecordingHandler();
        using var listener = new SharedMemoryTransport().Listen(
            $"shared-memory://{_folder}/s",
            channel =>
            {
                accepted.TrySetResult(channel);
                return server;
            },
            new ChannelOptions { Degraded = _degraded.Enqueue });
        using var peer = RawShared.Open(listener.Address);
        var good = SharedBoard.Create(2, [16]);
        using var file = MemoryFile.Create(good.Length, readOnlyForPeers: false);
        Assert.True(file.Commit(0, good.Length, out _));
        *(uint*)file.Start = fault == "magic" ? 1u : 0x42535444u;
        *(int*)(file.Start + 4) = fault == "seats" ? 3 : 2;
        *(int*)(file.Start + 8) = fault switch { "entries" => -1, "too many entries" => 1 << 16, _ => 1 };
        *(int*)(file.Start + 128) = fault == "capacity" ? -16 : fault == "longer" ? 1 << 20 : 16;
        new Wire(WireKind.Board, 0, file.Length).Send(peer.Socket, file.Descriptor);
        Patience.Until(() => !_degraded.IsEmpty, "the message");
        Assert.Contains("board", Assert.Single(_degraded), StringComparison.Ordinal);
        var channel = accepted.Task.Await("the connection");
        Assert.Null(channel.Seat);
        Assert.True(channel.IsOpen);
    }

    private static byte[]? Read(SharedBoard board, int seat, int entry, BoardKey key)
    {
        var into = new byte[4096];
        return board.TryRead(seat, entry, key, into, out var length) ? into[..length] : null;
    }

    private Link Open(string transport) => transport switch
    {
        "in-process" => Link.Open(new InProcessTransport(), "in-process://board"),
        "unix" => Link.Open(new SocketTransport(), $"unix://{_folder}/u"),
        _ => Link.Open(new SharedMemoryTransport(), $"shared-memory://{_folder}/s"),
    };
}
