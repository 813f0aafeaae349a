namespace DistributedTrainer.Channels;

/// <summary>Settings of a channel or of all channels of a listener.</summary>
public sealed record ChannelOptions
{
    /// <summary>
    /// What a peer must know to be let in: a peer with another token is refused. A random number that is told over the
    /// control plane, and written nowhere; without <see cref="Certificates"/> whoever reads along on the network can read it.
    /// </summary>
    public ulong RunToken { get; init; }

    /// <summary>
    /// With these, TCP is encrypted and both ends show a certificate of the same authority, before anything else is said. Null:
    /// TCP is plain. What stays within the machine (Unix domain sockets, shared memory) is never encrypted.
    /// </summary>
    public NodeCertificates? Certificates { get; init; }

    /// <summary>Connections that a listener has at once, those that have not said hello yet among them; one more is turned away. Default: 4096.</summary>
    public int MaximumConnections { get; init; } = 4096;

    /// <summary>The largest payload in bytes, in either direction. Default: 1 GiB.</summary>
    public int MaximumPayloadBytes { get; init; } = 1 << 30;

    /// <summary>Posted frames that may wait; one more closes the channel. Default: 1024.</summary>
    public int MaximumPostedFrames { get; init; } = 1024;

    /// <summary>Time for connecting, and for the whole hello of either side with the handshake of TLS before it. Default: 10 s.</summary>
    public TimeSpan HelloTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Told why a listener turned a connection away (the accept callback was not called, or failed). May be called on any thread.</summary>
    public Action<string>? Rejected { get; init; }

    /// <summary>Told when a connection takes a slower way than the connecting side asks for, and why. May be called on any thread.</summary>
    public Action<string>? Degraded { get; init; }

    /// <summary>
    /// Of what a listener tells with <see cref="Rejected"/> and <see cref="Degraded"/> of one peer address (host, or path),
    /// only the first in this time; the others are counted. Default: zero, each is told.
    /// </summary>
    public TimeSpan QuietPeriod { get; init; }

    /// <summary>Tells the time to the quiet period.</summary>
    internal TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Throws with all impossible values at once.</summary>
    /// <exception cref="ArgumentException">A value is impossible.</exception>
    internal ChannelOptions Validated()
    {
        var problems = new List<string>();
        if (MaximumPayloadBytes < 0) problems.Add($"MaximumPayloadBytes is {MaximumPayloadBytes}, must be 0 or more");
        if (MaximumPostedFrames < 1) problems.Add($"MaximumPostedFrames is {MaximumPostedFrames}, must be 1 or more");
        if (MaximumConnections < 1) problems.Add($"MaximumConnections is {MaximumConnections}, must be 1 or more");
        if (HelloTimeout <= TimeSpan.Zero || HelloTimeout > TimeSpan.FromHours(1)) problems.Add($"HelloTimeout is {HelloTimeout}, must be above 0 and at most an hour");
        if (QuietPeriod < TimeSpan.Zero) problems.Add($"QuietPeriod is {QuietPeriod}, must be 0 or more");
        return problems.Count == 0 ? this : throw new ArgumentException("channel options: " + string.Join("; ", problems));
    }

    /// <summary>Tells <see cref="Rejected"/>, whose own exceptions must not hurt the listener.</summary>
    internal void Reject(string reason) => Tell(Rejected, reason);

    /// <summary>Tells <see cref="Degraded"/>.</summary>
    internal void Degrade(string reason) => Tell(Degraded, reason);

    private static void Tell(Action<string>? log, string reason)
    {
        try { log?.Invoke(reason); }
        catch { /* A broken log is no reason to stop working. */ }
    }
}
