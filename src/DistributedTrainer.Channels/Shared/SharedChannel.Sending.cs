using DistributedTrainer.Channels.Internal;

namespace DistributedTrainer.Channels.Shared;

internal sealed partial class SharedChannel
{
    private enum Outcome
    {
        /// <summary>It has to wait its turn.</summary>
        NotNow,

        /// <summary>Copied to the ring, or the channel closed: the payload is no longer needed.</summary>
        Dropped,

        /// <summary>Lent or queued: the payload is released later.</summary>
        Kept,
    }

    /// <summary>Writes a posted frame without waiting for anything. Not before those that were posted before.</summary>
    private Outcome PostNow(in FrameHeader header, IPayload payload)
    {
        if (Volatile.Read(ref _waiting) != 0 || !Monitor.TryEnter(_sending)) return Outcome.NotNow;
        try
        {
            if (!IsOpen) return Outcome.NotNow;
            var bytes = payload.Bytes;
            var free = _segment.Out.Free;
            if (free >= FrameRecord.Bytes && TryLend(header, payload, bytes)) return Outcome.Kept;
            if (bytes.Length > InlineBytes || free < FrameRecord.Bytes + bytes.Length + RingReader.PadOf(bytes.Length)) return Outcome.NotNow;
            WriteFrame(header, bytes);
            return Outcome.Dropped;
        }
        catch (ChannelClosedException)
        {
            return Outcome.Dropped;
        }
        finally
        {
            Monitor.Exit(_sending);
        }
    }

    private Outcome Queue(in FrameHeader header, IPayload payload)
    {
        Interlocked.Increment(ref _waiting);
        var admission = _posts.TryAdd(header, payload);
        if (admission == Admission.Added) return Outcome.Kept;
        Interlocked.Decrement(ref _waiting);
        if (admission == Admission.Full) Close(FrameRules.Overflow(_posts.Capacity));
        return Outcome.Dropped;
    }

    private void Write()
    {
        while (_posts.TryTake(out var frame))
        {
            var lent = false;
            try
            {
                lock (_sending)
                {
                    var bytes = frame.Payload.Bytes;
                    lent = TryLend(frame.Header, frame.Payload, bytes);
                    if (!lent) WriteFrame(frame.Header, bytes);
                }
            }
            catch (ChannelClosedException)
            {
                // The reader reports it; what is left in the queue was released by Close.
            }
            catch (Exception e)
            {
                Fail(e);
            }

            try
            {
                if (!lent) frame.Payload.Release();
            }
            catch (Exception e)
            {
                Fail(e);
            }

            Interlocked.Decrement(ref _waiting);
        }
    }

    private void Fail(Exception e) => Close($"posted payload failed: {e.Message}");

    /// <summary>Lends what lies in shared memory; false: it has to be copied. Within the lock.</summary>
    private unsafe bool TryLend(in FrameHeader header, IPayload payload, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < LendFrom) return false;
        fixed (byte* start = bytes)
        {
            var region = SharedRegion.Find(start, bytes.Length, out var offset);
            if (region is null || !Announce(region)) return false;
            var slot = _lent.Add(payload);
            if (slot < 0) return false;
            try
            {
                AwaitRoom(FrameRecord.Bytes);
            }
            catch
            {
                // Nobody has heard of it.
                _lent.Take(slot);
                throw;
            }

            WriteRecord(header, bytes.Length, lent: true, slot, region.Id, offset);
            Flush();
            return true;
        }
    }

    /// <summary>Makes sure that the peer gets the region. Once on each channel.</summary>
    private bool Announce(SharedRegion region)
    {
        if (_announced[region.Id]) return true;
        if (!IsOpen || !Tell(new Wire(WireKind.Region, region.Id, region.Length), region.Descriptor)) return false;
        return _announced[region.Id] = true;
    }

    /// <summary>Copies a frame through the ring; the peer reads it while it is written. Within the lock.</summary>
    /// <exception cref="ChannelClosedException">The channel is closed, maybe in the middle of the frame: then it is the last.</exception>
    private void WriteFrame(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        var room = AwaitRoom(FrameRecord.Bytes) - FrameRecord.Bytes;
        WriteRecord(header, payload.Length, lent: false, 0, 0, 0);
        while (!payload.IsEmpty)
        {
            if (room == 0)
            {
                Flush();
                room = AwaitRoom(1);
            }

            var chunk = Math.Min(Math.Min(payload.Length, room), Segment.ChunkBytes);
            _segment.Out.Write(payload[..chunk]);
            payload = payload[chunk..];
            room -= chunk;
            if (chunk == Segment.ChunkBytes) Flush();
        }

        var pad = _segment.Out.PadBytes;
        if (pad > room)
        {
            Flush();
            AwaitRoom(pad);
        }

        _segment.Out.Skip(pad);
        Flush();
    }

    private void WriteRecord(in FrameHeader header, int length, bool lent, int slot, int region, long offset)
    {
        Span<byte> bytes = stackalloc byte[FrameRecord.Bytes];
        new FrameRecord(header with { PayloadBytes = length }, lent, slot, region, offset).Write(bytes);
        _segment.Out.Write(bytes);
        ChannelTraffic.SharedMemory.Sent(length);
    }

    private void Flush()
    {
        if (_segment.Out.Announce()) _segment.PeerArrivals.Ring();
    }

    /// <summary>Waits until so many bytes can be written.</summary>
    /// <returns>How many can be.</returns>
    /// <exception cref="ChannelClosedException">The channel is closed.</exception>
    private int AwaitRoom(int bytes)
    {
        while (true)
        {
            if (!IsOpen) throw Closed();
            var ticket = _segment.Room.Ticket;
            var free = _segment.Out.Free;
            if (free >= bytes) return free;
            if (free < 0) PeerGone(ImpossibleCount);
            // Once more, after the ticket: whoever closes rings the bell.
            if (IsOpen) _segment.Room.Wait(ticket);
        }
    }
}
