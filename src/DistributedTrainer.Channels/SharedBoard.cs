using System.Runtime.InteropServices;
using DistributedTrainer.Channels.Shared;

namespace DistributedTrainer.Channels;

/// <summary>What a note on a <see cref="SharedBoard"/> is about: only who looks for the same finds it.</summary>
/// <param name="Run">The run.</param>
/// <param name="Step">The step.</param>
public readonly record struct BoardKey(ulong Run, long Step);

/// <summary>A peer's place at a board: where it writes, and nobody else ever does.</summary>
/// <param name="Board">The board.</param>
/// <param name="Number">The seat, from 0.</param>
public sealed record BoardSeat(SharedBoard Board, int Number)
{
    /// <summary>Leaves a note, in place of the one before. For one thread at a time.</summary>
    /// <param name="entry">Which.</param>
    /// <param name="key">What it is about.</param>
    /// <param name="note">No more bytes than the entry's capacity.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such entry, or the note is too long.</exception>
    public void Write(int entry, in BoardKey key, ReadOnlySpan<byte> note) => Board.Write(Number, entry, key, note);

    /// <summary>Says that notes about this step do not suffice: whoever writes one, or reads one, from now on is to say the same elsewhere.</summary>
    public void Want(int entry, long step) => Board.Want(Number, entry, step);

    /// <summary>Whether somebody else has said so of this step.</summary>
    public bool IsWanted(int entry, long step) => Board.IsWanted(Number, entry, step);
}

/// <summary>
/// Memory in which peers of one host leave notes for one another, without a message and without the process that made it.
/// Each has a seat with the same entries, which it alone writes and all read; a note is found whole or not at all, and a
/// writer that is stopped or killed in the middle keeps nobody. Handed over by <see cref="IChannel.TryShare"/>. It lasts as
/// long as anybody refers to it, and ends with the processes.
/// </summary>
/// <remarks>
/// <c>0 magic u32 · 4 seats i32 · 8 entries i32 · 64 open u32 · 68 seats taken i32 · 72 course i64 · 128 capacity of each entry i32</c>, then
/// the seats, on borders of pages. An entry: <c>0 count of changes, odd while it is written, i64 · 8 run u64 · 16 step i64 ·
/// 32 bytes i32 · 64 wanted step i64 · 128 the note</c>, up to the next 128 bytes.
/// </remarks>
public sealed unsafe class SharedBoard
{
    /// <summary>A board with more is malformed.</summary>
    public const int MaximumSeats = 256;

    // The bytes "DTSB" in this order in memory.
    private const uint Magic = 0x42535444;
    private const int MaximumEntries = 1 << 16;
    private const int CapacitiesAt = 128;
    private const int NoteAt = 128;
    private const int Line = 128;

    private readonly MemoryFile? _file;
    private readonly byte* _start;
    private readonly int[] _capacities;

    // From the beginning of a seat.
    private readonly long[] _offsets;
    private readonly long _seatBytes;
    private readonly long _firstSeat;

    private SharedBoard(MemoryFile? file, long length, int seats, int[] capacities, bool isNew)
    {
        (_file, Seats, _capacities, Length) = (file, seats, capacities, length);
        (_offsets, _seatBytes, _firstSeat) = Measure(capacities);
        _start = file is null ? (byte*)NativeMemory.AlignedAlloc((nuint)length, SharedPool.Alignment) : file.Start;
        if (!isNew) return;
        if (file is null) NativeMemory.Clear(_start, (nuint)length);
        *(int*)(_start + 4) = seats;
        *(int*)(_start + 8) = capacities.Length;
        capacities.CopyTo(new Span<int>(_start + CapacitiesAt, capacities.Length));
        Volatile.Write(ref *(uint*)_start, Magic);
    }

    /// <summary>Nobody refers to it any more: neither a seat nor a channel.</summary>
    ~SharedBoard()
    {
        if (_file is not null) _file.Dispose();
        else NativeMemory.AlignedFree(_start);
    }

    /// <summary>Seats.</summary>
    public int Seats { get; }

    /// <summary>Entries of each seat.</summary>
    public int Entries => _capacities.Length;

    /// <summary>Seats that were taken so far.</summary>
    public int Taken => Math.Clamp(Volatile.Read(ref TakenCount), 0, Seats);

    /// <summary>Whether all who exchange notes have a seat: else looking for the others' is in vain. By who made the board.</summary>
    public bool IsOpen
    {
        get
        {
            var open = Volatile.Read(ref *(uint*)(_start + 64)) != 0;
            GC.KeepAlive(this);
            return open;
        }

        set
        {
            Volatile.Write(ref *(uint*)(_start + 64), value ? 1u : 0);
            GC.KeepAlive(this);
        }
    }

    /// <summary>What it is for, as its maker says: notes of another course belong on another board.</summary>
    public long Course
    {
        get
        {
            var course = *(long*)(_start + 72);
            GC.KeepAlive(this);
            return course;
        }
    }

    /// <summary>Bytes of addresses.</summary>
    internal long Length { get; }

    /// <summary>-1: the memory is this process's own.</summary>
    internal int Descriptor => _file?.Descriptor ?? -1;

    private ref int TakenCount => ref *(int*)(_start + 68);

    /// <summary>Bytes of memory of one seat.</summary>
    /// <param name="capacities">Bytes of the longest note of each entry.</param>
    public static long SeatBytes(IReadOnlyList<int> capacities) => Measure(capacities).SeatBytes;

    /// <summary>A board without notes; where memory cannot be shared only for peers of this process.</summary>
    /// <param name="seats">1 to <see cref="MaximumSeats"/>; memory is taken when a seat is.</param>
    /// <param name="capacities">Bytes of the longest note of each entry.</param>
    /// <param name="course">See <see cref="Course"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">No seats or entries, too many, or a capacity that is negative.</exception>
    public static SharedBoard Create(int seats, IReadOnlyList<int> capacities, long course = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(seats);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(seats, MaximumSeats);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacities.Count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacities.Count, MaximumEntries);
        foreach (var capacity in capacities) ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        var (_, seatBytes, firstSeat) = Measure(capacities);
        var length = firstSeat + (seats * seatBytes);
        var board = new SharedBoard(Share(length, firstSeat), length, seats, [.. capacities], isNew: true);
        *(long*)(board._start + 72) = course;
        return board;
    }

    /// <summary>The next seat. False: all are taken, or there is no memory for one more.</summary>
    public bool TryTakeSeat(out int seat)
    {
        seat = Taken;
        if (seat == Seats || (_file is not null && !_file.Commit(_firstSeat + (seat * _seatBytes), _seatBytes, out _))) return false;
        Volatile.Write(ref TakenCount, seat + 1);
        GC.KeepAlive(this);
        return true;
    }

    /// <summary>Reads what a seat's note says about something. False: it says nothing about it, or is being written.</summary>
    /// <param name="seat">Whose.</param>
    /// <param name="entry">Which.</param>
    /// <param name="key">What it is to be about.</param>
    /// <param name="into">Takes it; at least of the entry's capacity. What it holds on false is undefined.</param>
    /// <param name="length">Its bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such seat or entry.</exception>
    public bool TryRead(int seat, int entry, in BoardKey key, Span<byte> into, out int length)
    {
        var at = At(seat, entry);
        var changes = Volatile.Read(ref *(long*)at);
        length = *(int*)(at + 32);
        var found = (changes & 1) == 0 && *(BoardKey*)(at + 8) == key && length >= 0 && length <= _capacities[entry] && length <= into.Length;
        if (found)
        {
            new ReadOnlySpan<byte>(at + NoteAt, length).CopyTo(into);

            // All of it was read before the second look.
            Interlocked.MemoryBarrier();
            found = Volatile.Read(ref *(long*)at) == changes;
        }

        GC.KeepAlive(this);
        return found;
    }

    internal void Write(int seat, int entry, in BoardKey key, ReadOnlySpan<byte> note)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(note.Length, _capacities[entry], nameof(note));
        var at = At(seat, entry);
        var changes = *(long*)at | 1;
        Volatile.Write(ref *(long*)at, changes);

        // Nothing is changed before it can be seen that it is.
        Interlocked.MemoryBarrier();
        *(BoardKey*)(at + 8) = key;
        *(int*)(at + 32) = note.Length;
        note.CopyTo(new Span<byte>(at + NoteAt, note.Length));
        Volatile.Write(ref *(long*)at, changes + 1);

        // Either who looks in vain finds it, or this end finds that it is wanted: never neither.
        Interlocked.MemoryBarrier();
        GC.KeepAlive(this);
    }

    internal void Want(int seat, int entry, long step)
    {
        Volatile.Write(ref *(long*)(At(seat, entry) + 64), step + 1);
        Interlocked.MemoryBarrier();
        GC.KeepAlive(this);
    }

    internal bool IsWanted(int seat, int entry, long step)
    {
        for (var other = Taken - 1; other >= 0; other--)
        {
            if (other != seat && Volatile.Read(ref *(long*)(At(other, entry) + 64)) == step + 1) return true;
        }

        GC.KeepAlive(this);
        return false;
    }

    /// <summary>Maps what a peer handed over, and takes the descriptor in any case.</summary>
    /// <exception cref="IOException">It is no board of this length, or cannot be mapped.</exception>
    internal static SharedBoard Adopt(int descriptor, long length)
    {
        var file = MemoryFile.Adopt(descriptor, length, writable: true);
        try
        {
            // A copy: the peer can change it no more once it was checked.
            var (magic, seats, entries) = length < CapacitiesAt ? (0u, 0, 0) : (*(uint*)file.Start, *(int*)(file.Start + 4), *(int*)(file.Start + 8));
            if (magic != Magic || seats is < 1 or > MaximumSeats || entries is < 1 or > MaximumEntries || CapacitiesAt + ((long)entries * sizeof(int)) > length)
                throw new IOException("shared memory: what the peer handed over is no board");
            var capacities = new ReadOnlySpan<int>(file.Start + CapacitiesAt, entries).ToArray();
            if (capacities.Any(static capacity => capacity < 0) || Measure(capacities) is var (_, seatBytes, firstSeat) && firstSeat + (seats * seatBytes) != length)
                throw new IOException($"shared memory: a board of {length} bytes is not what its header says");
            return new SharedBoard(file, length, seats, capacities, isNew: false);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static MemoryFile? Share(long length, long header)
    {
        if (MemoryFile.Problem is not null) return null;
        MemoryFile? file = null;
        try
        {
            file = MemoryFile.Create(length, readOnlyForPeers: false);
            if (file.Commit(0, header, out _)) return file;
        }
        catch (IOException)
        {
            // There is none: the board is for this process, and channels to others say that they cannot share it.
        }

        file?.Dispose();
        return null;
    }

    private static (long[] Offsets, long SeatBytes, long FirstSeat) Measure(IReadOnlyList<int> capacities)
    {
        var offsets = new long[capacities.Count];
        var at = 0L;
        for (var entry = 0; entry < offsets.Length; entry++)
        {
            offsets[entry] = at;
            at += NoteAt + Up(capacities[entry], Line);
        }

        var page = Environment.SystemPageSize;
        return (offsets, Up(at, page), Up(CapacitiesAt + (capacities.Count * (long)sizeof(int)), page));
    }

    private static long Up(long bytes, int to) => (bytes + to - 1) / to * to;

    private byte* At(int seat, int entry)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)seat, (uint)Seats, nameof(seat));
        return _start + _firstSeat + (seat * _seatBytes) + _offsets[entry];
    }
}
