using System.CommandLine;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Cli.Commands;

/// <summary>The one switch that closes a cluster: <c>--tls DIR</c>, or DTRAIN_TLS.</summary>
internal sealed class TlsOption
{
    private readonly Option<string?> _directory = new("--tls")
    {
        Description = "Encrypts what goes over the network, and lets in only who has a certificate of the same authority: the folder of ca.crt, node.crt and node.key (scripts/make-certificates.sh). All nodes of a cluster need it, or none. Or DTRAIN_TLS.",
        HelpName = "DIR",
    };

    public void AddTo(Command command) => command.Options.Add(_directory);

    /// <summary>The folder; null: everything is plain.</summary>
    public string? Directory(ParseResult parsed) => parsed.GetValue(_directory) ?? EnvironmentSettings.OfThisProcess["DTRAIN_TLS"];

    /// <summary>Reads what the command line or the environment names. False: it cannot be used, and standard error says why.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="certificates">Null: everything is plain.</param>
    public bool Read(ParseResult parsed, out NodeCertificates? certificates) => Load(Directory(parsed), out certificates);

    /// <summary>The same for a cluster whose nodes are all on this machine: they reach each other under this address.</summary>
    /// <inheritdoc cref="Read"/>
    public bool ReadLocal(ParseResult parsed, out NodeCertificates? certificates)
    {
        if (!Read(parsed, out certificates))
        {
            return false;
        }

        if (certificates?.ProblemUnder("127.0.0.1") is { } problem)
        {
            Console.Error.WriteLine(problem);
            return false;
        }

        return true;
    }

    /// <summary>Reads a folder. False: it cannot be used, and standard error says why.</summary>
    /// <param name="directory">Null: none is asked for.</param>
    /// <param name="certificates">Null: everything is plain.</param>
    public static bool Load(string? directory, out NodeCertificates? certificates)
    {
        certificates = null;
        if (directory is null)
        {
            return true;
        }

        try
        {
            certificates = NodeCertificates.Load(directory);
            return true;
        }
        catch (ArgumentException problem)
        {
            Console.Error.WriteLine(problem.Message);
            return false;
        }
    }
}
