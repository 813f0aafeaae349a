using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Channels;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Commands;

/// <summary>How a command joins a running cluster to ask something of it: as a node without a role, for as long as it takes.</summary>
/// <param name="where">The argument or option that names the cluster.</param>
/// <param name="addressOption">The option for the own address.</param>
internal sealed class ClusterVisit(string where, string addressOption = "--host")
{
    private static readonly TimeSpan JoinLimit = TimeSpan.FromSeconds(15);

    // Who joins usually has joined by then; an encrypted cluster never answers, and is asked what it is.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(0.5);

    private readonly Option<string?> _address = new(addressOption)
    {
        Description = $"The address that nodes reach this process under. Default: DTRAIN_HOST, or the one of this machine that leads to {where}.",
        HelpName = "ADDRESS",
    };

    private readonly TlsOption _tls = new();

    public void AddTo(Command command)
    {
        command.Options.Add(_address);
        _tls.AddTo(command);
    }

    /// <summary>Reads the certificates that the command line or the environment names. False: they cannot be used, and standard error says why.</summary>
    public bool Read(ParseResult parsed, out NodeCertificates? certificates) => _tls.Read(parsed, out certificates);

    /// <summary>The same for a command whose cluster may also be of this machine alone: its nodes reach each other there.</summary>
    public bool ReadLocal(ParseResult parsed, out NodeCertificates? certificates) => _tls.ReadLocal(parsed, out certificates);

    /// <summary>Joins. Without a host: it did not come to it, standard error says why, and the exit code is there.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="join">HOST:PORT of a node of the cluster.</param>
    /// <param name="certificates">As they were read.</param>
    /// <param name="remedy">What to give instead where nobody answers, such as "Give --to the HOST:PORT that a node printed when it started".</param>
    /// <param name="cancel">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">It was ended.</exception>
    public async Task<(NodeHost? Host, int ExitCode)> Join(ParseResult parsed, string join, NodeCertificates? certificates, string remedy, CancellationToken cancel)
    {
        NodeHost host;
        try
        {
            var options = new NodeOptions { Roles = [], Join = join, Host = NodeSettings.HostOf(parsed.GetValue(_address), join), Bind = EnvironmentSettings.OfThisProcess["DTRAIN_BIND"], Certificates = certificates };
            host = await NodeHost.StartAsync(options, certificates is null ? null : TellOfRefusals, CancellationToken.None);
        }
        catch (ArgumentException problem)
        {
            Console.Error.WriteLine(problem.Message);
            return (null, ExitCodes.UsageWrong);
        }

        try
        {
            var joined = host.JoinedAsync(JoinLimit).WaitAsync(cancel);
            if (certificates is null && await Task.WhenAny(joined, Task.Delay(Patience, cancel)) != joined && await IsClosed(join, joined, cancel))
            {
                Console.Error.WriteLine(TlsProbe.NeedsTls(join));
                await host.DisposeAsync();
                return (null, ExitCodes.TrainingFailed);
            }

            await joined;
            return (host, ExitCodes.Done);
        }
        catch (TimeoutException)
        {
            Console.Error.WriteLine($"No cluster answers at {join}. {remedy}, and check that it still runs.");
            await host.DisposeAsync();
            return (null, ExitCodes.TrainingFailed);
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether one of the nodes speaks TLS; no where it is joined meanwhile.</summary>
    private static async Task<bool> IsClosed(string join, Task joined, CancellationToken cancel)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var answers = join.Split(',', StringSplitOptions.TrimEntries)
            .Select(static node => node.Split(':'))
            .Where(static parts => parts.Length == 2 && ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .Select(parts => TlsProbe.SpeaksTlsAsync(parts[0], ushort.Parse(parts[1], CultureInfo.InvariantCulture), end.Token))
            .ToArray();
        await Task.WhenAny(joined, Task.WhenAll(answers));
        await end.CancelAsync();
        return (await Task.WhenAll(answers)).Contains(true) && !joined.IsCompletedSuccessfully;
    }

    /// <summary>Of what the actor system says, only why nobody is reached.</summary>
    private static void TellOfRefusals(string line)
    {
        if (line.Contains("tls: ", StringComparison.Ordinal))
        {
            Console.Error.WriteLine(line);
        }
    }
}
