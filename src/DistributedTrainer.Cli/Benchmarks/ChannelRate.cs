namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>How fast a medium is.</summary>
/// <param name="MegabytesPerSecond">One way, 10⁶ bytes.</param>
/// <param name="RoundTripMicroseconds">Of a small frame.</param>
internal readonly record struct MediumRate(double MegabytesPerSecond, double RoundTripMicroseconds);

/// <summary>Payloads that the receiver reads in place.</summary>
/// <param name="MegabytesPerSecond">10⁶ bytes that the receiver has read through.</param>
/// <param name="CopyShare">As a share of copying a payload within memory.</param>
internal sealed record LentRate(double MegabytesPerSecond, double CopyShare)
{
    public static LentRate Of(double rate, double copy) => new(Rounded.To(rate, 3), Rounded.To(rate / copy, 6));
}

/// <summary>Round trips for which the asking thread stays awake.</summary>
/// <param name="RoundTripMicroseconds">Of a frame without payload.</param>
/// <param name="BareRoundTripMicroseconds">Of two threads and a lock, where the asking one stays awake as well.</param>
/// <param name="RoundTripRatio">The first as a multiple of the second.</param>
internal sealed record AttendedTrip(double RoundTripMicroseconds, double BareRoundTripMicroseconds, double RoundTripRatio)
{
    public static AttendedTrip Of(double trip, double bare) => new(Rounded.To(trip, 2), Rounded.To(bare, 2), Rounded.To(trip / bare, 3));
}

/// <summary>How fast the data plane is, beside the medium under it.</summary>
/// <param name="Transport">The one that was used.</param>
/// <param name="Bytes">Of a payload.</param>
/// <param name="MegabytesPerSecond">One way, 10⁶ bytes of payload.</param>
/// <param name="RoundTripMicroseconds">Of a frame without payload.</param>
/// <param name="Bare">What the other bare figures are of: a Unix socket, a TCP socket, or memory and two threads.</param>
/// <param name="BareMegabytesPerSecond">The medium alone, with payloads of the same size.</param>
/// <param name="BareRoundTripMicroseconds">The medium alone, with frames of the same size.</param>
/// <param name="MemoryCopyMegabytesPerSecond">Copying a payload within memory.</param>
/// <param name="RateShare">The rate as a share of that of the bare medium.</param>
/// <param name="RoundTripRatio">The round trip as a multiple of that of the bare medium.</param>
internal sealed record ChannelRate(
    string Transport,
    int Bytes,
    double MegabytesPerSecond,
    double RoundTripMicroseconds,
    string Bare,
    double BareMegabytesPerSecond,
    double BareRoundTripMicroseconds,
    double MemoryCopyMegabytesPerSecond,
    double RateShare,
    double RoundTripRatio)
{
    /// <summary>The way gradients and parameters take between processes of a host; null: this channel copies.</summary>
    public LentRate? Lent { get; init; }

    /// <summary>The way a worker waits within the step; null: this channel has to wake who waits.</summary>
    public AttendedTrip? Attended { get; init; }

    /// <summary>Puts the figures together.</summary>
    public static ChannelRate Of(string transport, int bytes, MediumRate channel, string bareName, MediumRate bare, double copy) => new(
        transport, bytes, Rounded.To(channel.MegabytesPerSecond, 3), Rounded.To(channel.RoundTripMicroseconds, 2),
        bareName, Rounded.To(bare.MegabytesPerSecond, 3), Rounded.To(bare.RoundTripMicroseconds, 2), Rounded.To(copy, 3),
        Rounded.To(channel.MegabytesPerSecond / bare.MegabytesPerSecond, 6), Rounded.To(channel.RoundTripMicroseconds / bare.RoundTripMicroseconds, 3));
}
