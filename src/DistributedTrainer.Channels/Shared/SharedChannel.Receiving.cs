using System.Numerics;
using DistributedTrainer.Channels.Internal;

namespace DistributedTrainer.Channels.Shared;

internal sealed unsafe partial class SharedChannel
{
    private readonly SharedLease?[] _leases = new SharedLease?[Segment.Slots];

    private void Read(IFrameHandler? handler)
    {
        Volatile.Write(ref _handler, handler);
        while (handler is not null && TryReadAll(handler, out var ticket)) _segment.Arrivals.Wait(ticket);
        Close(Volatile.Read(ref _peerGone) ?? FrameRules.ClosedHere);
        if (handler is not null) FrameRules.Closed(handler, this, _reason!);
        _writer.Join();
        _finished.Set();
        AwaitLent();
        Leave();
    }

    /// <summary>The reader's: whoever attends is not interrupted.</summary>
    private bool TryReadAll(IFrameHandler handler, out uint ticket)
    {
        lock (_reading) return !(_over |= !ReadAll(handler, out ticket));
    }

    /// <summary>Hands over all frames that are there. False: nothing comes any more, and the channel is closed where it failed.</summary>
    /// <param name="handler">Whom to.</param>
    /// <param name="ticket">From before the last look: when the bell has no other, nothing new has come.</param>
    private bool ReadAll(IFrameHandler handler, out uint ticket)
    {
        ticket = 0;
        try
        {
            while (Look(FrameRecord.Bytes, out ticket) is var available && available != 0)
            {
                if (available < 0) return true;
                ReadFrame(handler);
            }
        }
        catch (Exception e)
        {
            Close(e.Message);
        }

        return false;
    }

    private void ReadFrame(IFrameHandler handler)
    {
        Span<byte> bytes = stackalloc byte[FrameRecord.Bytes];
        // A copy, so that the peer can't change it any more once it was checked.
        _segment.In.Read(bytes);
        var problem = FrameRecord.Read(bytes, out var record) ?? FrameRules.ProblemOf(record.Header, _options.MaximumPayloadBytes);
        if (problem is not null) throw new ChannelClosedException(problem);
        ChannelTraffic.SharedMemory.Received(record.Header.PayloadBytes);
        if (record.Lent) ReadLent(handler, record);
        else ReadCopied(handler, record.Header);
    }

    private void ReadCopied(IFrameHandler handler, in FrameHeader header)
    {
        var length = header.PayloadBytes;
        if (!FrameRules.Reserve(handler, this, header, out var span))
        {
            Pass(length + RingReader.PadOf(length));
            MakeRoomKnown();
            return;
        }

        var whole = false;
        try
        {
            while (!span.IsEmpty)
            {
                var chunk = span[..Math.Min(span.Length, Math.Min(AwaitFrame(1), Segment.ChunkBytes))];
                _segment.In.Read(chunk);
                span = span[chunk.Length..];
                MakeRoom();
            }

            // Within, since it may find the channel closed: each Reserve is answered by one of the two.
            Pass(RingReader.PadOf(length));
            whole = true;
        }
        finally
        {
            if (!whole) FrameRules.Abandoned(handler, this, header);
        }

        MakeRoomKnown();
        FrameRules.Complete(handler, this, header);
    }

    private void ReadLent(IFrameHandler handler, in FrameRecord record)
    {
        MakeRoomKnown();
        var header = record.Header;
        var region = AwaitRegion(record.Region);
        if (record.Offset > region.Length - header.PayloadBytes)
            throw new ChannelClosedException($"frame: a lent payload of {header.PayloadBytes} bytes at {record.Offset}, region {record.Region} has {region.Length}");
        var lease = _leases[record.Slot] ??= new SharedLease(this, record.Slot);
        Hold();
        if (!lease.TryOpen(region.Start + record.Offset, header.PayloadBytes))
        {
            DropHold();
            throw new ChannelClosedException($"frame: slot {record.Slot} is lent already");
        }

        var kept = false;
        try
        {
            kept = FrameRules.Offer(handler, this, header, lease);
            if (kept) return;
            if (!lease.IsHeld) throw FrameRules.DeclinedAndDisposed(header);
            if (!FrameRules.Reserve(handler, this, header, out var span)) return;
            lease.Bytes.CopyTo(span);
        }
        finally
        {
            // Before Complete, which may take long.
            if (!kept) lease.Dispose();
        }

        FrameRules.Complete(handler, this, header);
    }

    /// <summary>Passes over bytes, as they come.</summary>
    private void Pass(int length)
    {
        while (length > 0)
        {
            var part = Math.Min(length, AwaitFrame(1));
            _segment.In.Skip(part);
            length -= part;
            MakeRoom();
        }
    }

    private void MakeRoom()
    {
        if (_segment.In.MakeRoom()) _segment.PeerRoom.Ring();
    }

    /// <summary>At the end of a frame, and before this end waits: then the sender may be waiting as well.</summary>
    private void MakeRoomKnown()
    {
        if (_segment.In.MakeRoom() || _segment.In.Announce()) _segment.PeerRoom.Ring();
    }

    /// <summary>Waits for bytes of a frame that has begun.</summary>
    private int AwaitFrame(int bytes) => AwaitBytes(bytes) is > 0 and var available ? available : throw Truncated();

    /// <summary>Waits until so many bytes can be read. 0: they never will be.</summary>
    private int AwaitBytes(int bytes)
    {
        while (true)
        {
            var available = Look(bytes, out var ticket);
            if (available >= 0) return available;
            // Who attends does not look at the counter in here.
            if (_attending) _segment.Arrivals.Attend(false);
            _segment.Arrivals.Wait(ticket);
            if (_attending) _segment.Arrivals.Attend(true);
        }
    }

    /// <summary>How many bytes can be read, if that is enough; also looks after payloads that come back. -1: not enough yet. 0: it never will be.</summary>
    private int Look(int bytes, out uint ticket)
    {
        ticket = _segment.Arrivals.Ticket;
        if (Volatile.Read(ref _reason) is not null) return 0;
        // Before the look: what the peer sent before its end is there when its end is seen.
        var gone = Volatile.Read(ref _peerGone) is not null;
        Sweep();
        var available = _segment.In.Available;
        if (available >= bytes) return available;
        if (available < 0) throw new ChannelClosedException(ImpossibleCount);
        if (gone) return available == 0 ? 0 : throw Truncated();
        MakeRoomKnown();
        return -1;
    }

    /// <summary>Releases what the peer gave back.</summary>
    private void Sweep()
    {
        for (var word = 0; word < Segment.Slots / 64; word++)
        {
            for (var bits = _segment.TakeReturned(word); bits != 0; bits &= bits - 1)
            {
                var slot = (word * 64) + BitOperations.TrailingZeroCount(bits);
                var payload = _lent.Take(slot) ?? throw new ChannelClosedException($"shared memory: the peer gave back slot {slot}, which is not lent");
                try { payload.Release(); }
                catch (Exception e) { Fail(e); }
            }
        }
    }

    /// <summary>The channel is closed; what is lent comes back when the peer no longer reads it, at the latest when it ends.</summary>
    private void AwaitLent()
    {
        // A post that was under way: none lends after it.
        lock (_sending)
        {
        }

        try
        {
            while (true)
            {
                var ticket = _segment.Arrivals.Ticket;
                var ended = Volatile.Read(ref _peerEnded);
                Sweep();
                if (_lent.IsEmpty || ended) break;
                _segment.Arrivals.Wait(ticket);
            }
        }
        catch (ChannelClosedException)
        {
            // A peer that gives back what it does not have: nothing that it says counts.
        }

        _lent.ReleaseAll();
    }

    private ChannelClosedException Truncated() => new($"{Volatile.Read(ref _peerGone) ?? Volatile.Read(ref _reason)} in the middle of a frame");
}
