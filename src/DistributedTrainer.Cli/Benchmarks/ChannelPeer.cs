using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster;

namespace DistributedTrainer.Cli.Benchmarks;

/// <summary>The other process of the measurement: listens at every address that another process can reach.</summary>
internal sealed class ChannelPeer : IDisposable
{
    /// <summary>Begins the line that tells the addresses.</summary>
    public const string LinePrefix = "listens ";

    /// <summary>What the bare sockets' addresses begin with.</summary>
    public const string BarePrefix = "bare-";

    private readonly List<IDisposable> _listeners = [];
    private readonly List<string> _addresses = [];
    private readonly string _bareFile = FileOf("bare");

    /// <summary>Listens.</summary>
    /// <param name="say">Told what is not possible here.</param>
    /// <param name="certificates">TCP is encrypted with these; null: it is plain.</param>
    public ChannelPeer(Action<string> say, NodeCertificates? certificates = null)
    {
        foreach (var name in TransportSelector.Names.Where(static name => name is not ("auto" or "in-process")))
        {
            var address = name == "tcp" ? "tcp://127.0.0.1:0" : $"{name}://{FileOf(name)}";
            try
            {
                var listener = Transports.For(address).Listen(address, static _ => new AnsweringEnd(), new ChannelOptions { Certificates = certificates });
                _listeners.Add(listener);
                _addresses.Add(listener.Address);
            }
            catch (Exception problem) when (problem is IOException or PlatformNotSupportedException or ArgumentException)
            {
                say($"{name}: {problem.Message}");
            }
        }

        Bare("tcp", new IPEndPoint(IPAddress.Loopback, 0));
        if (Socket.OSSupportsUnixDomainSockets)
        {
            Bare("unix", new UnixDomainSocketEndPoint(_bareFile));
        }
    }

    /// <summary>The line for the other process.</summary>
    public string Line => LinePrefix + string.Join(' ', _addresses);

    /// <summary>Reads the addresses from a line.</summary>
    public static string[] AddressesIn(string line) => line[LinePrefix.Length..].Split(' ');

    /// <summary>The end of the bare socket of a kind; null: there is none.</summary>
    public static EndPoint? BareEnd(IReadOnlyList<string> addresses, string kind)
    {
        var prefix = $"{BarePrefix}{kind}://";
        var address = addresses.FirstOrDefault(address => address.StartsWith(prefix, StringComparison.Ordinal))?[prefix.Length..];
        return address is null ? null : kind == "unix" ? new UnixDomainSocketEndPoint(address) : IPEndPoint.Parse(address);
    }

    public void Dispose()
    {
        foreach (var listener in _listeners)
        {
            listener.Dispose();
        }

        File.Delete(_bareFile);
    }

    private void Bare(string kind, EndPoint end)
    {
        var listener = BareSocket.Listen(end);
        _listeners.Add(listener);
        _addresses.Add($"{BarePrefix}{kind}://{listener.LocalEndPoint}");
    }

    // The files of processes that were killed are swept by whoever serves next: hence the name.
    private static string FileOf(string name) => Path.Combine(Path.GetTempPath(), $"dtrain-bench-{Environment.ProcessId}-{name}.sock");
}
