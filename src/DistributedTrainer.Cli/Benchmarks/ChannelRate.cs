namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>How fast a medium is.</summary>
/// <param name="MegabytesPerSecond">One way, 10⁶ bytes.</param>
/// <param name="RoundTripMicroseconds">Of a small frame.</param>
internal readonly record struct MediumRate(double MegabytesPerSecond, double RoundTripMicroseconds);

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
    /// <summary>Puts the figures together.</summary>
    public static ChannelRate Of(string transport, int bytes, MediumRate channel, string bareName, MediumRate bare, double copy) => new(
        transport, bytes, Rounded.To(channel.MegabytesPerSecond, 3), Rounded.To(channel.RoundTripMicroseconds, 2),
        bareName, Rounded.To(bare.MegabytesPerSecond, 3), Rounded.To(bare.RoundTripMicroseconds, 2), Rounded.To(copy, 3),
        Rounded.To(channel.MegabytesPerSecond / bare.MegabytesPerSecond, 3), Rounded.To(channel.RoundTripMicroseconds / bare.RoundTripMicroseconds, 3));
}
