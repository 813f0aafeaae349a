namespace DistributedTrainer.Channels;

/// <summary>The channel is closed, or could not be opened; the message says why.</summary>
/// <param name="reason">Why.</param>
/// <param name="inner">What caused it.</param>
public sealed class ChannelClosedException(string reason, Exception? inner = null) : IOException(reason, inner);
