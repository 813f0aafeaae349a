using System.Runtime.InteropServices;

namespace DistributedTrainer.Channels;

/// <summary>
/// Says what a payload is. 80 bytes on the wire, little endian (see <see cref="FrameFormat"/>).
/// Only <see cref="Kind"/> and <see cref="PayloadBytes"/> mean something to the channel; the rest belongs to the two ends.
/// </summary>
[StructLayout(LayoutKind.Auto)]
public record struct FrameHeader
{
    /// <summary>What the frame is about.</summary>
    public FrameKind Kind;

    /// <summary>Free for the two ends.</summary>
    public byte Flags;

    /// <summary>The run; in a hello frame the run token.</summary>
    public ulong Run;

    /// <summary>The generation of the assignment (the fencing token).</summary>
    public long Generation;

    /// <summary>The step.</summary>
    public long Step;

    /// <summary>The partition.</summary>
    public int Partition;

    /// <summary>Level of the tree node.</summary>
    public int Level;

    /// <summary>Index of the tree node within its level.</summary>
    public int Index;

    /// <summary>Rows that were summed.</summary>
    public int Rows;

    /// <summary>A float64 sum, carried bit-exactly.</summary>
    public double Sum;

    /// <summary>A count.</summary>
    public long Count;

    /// <summary>Length of the payload in bytes. The sending channel sets it from the payload; what the caller wrote is ignored.</summary>
    public int PayloadBytes;
}
