using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace DistributedTrainer.EndToEnd.Tests;

/// <summary>A test of what scripts/make-certificates.sh makes; skipped, with the reason, where it cannot make anything.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OpensslFactAttribute : FactAttribute
{
    public OpensslFactAttribute()
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        Skip = !OperatingSystem.IsLinux() ? "Ports of other processes are read from /proc."
            : folders.Any(static folder => File.Exists(Path.Combine(folder, "openssl"))) ? null
            : "There is no openssl: install the package openssl.";
    }
}

/// <summary>A cluster of processes with certificates of scripts/make-certificates.sh, and strangers at all its ports.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class TlsRunTests
{
    private static readonly string[] Experiment = ["--set", "training.epochs=200", "--set", "cluster.transport=tcp"];

    [OpensslFact]
    public async Task Strangers_at_every_open_port_change_nothing()
    {
        using var run = new RunDirectory();
        Make([run.In("node")], run.In("authority"));
        Make([run.In("stranger")], run.In("other"));
        await using var dtrain = Dtrain.Start(["train", "--plain", "--run-dir", run.Run, "--tls", run.In("node"), .. Experiment]);
        await dtrain.Line(static line => line.StartsWith("training  step", StringComparison.Ordinal));
        int[] processes = [dtrain.Id, .. run.Nodes.Select(static node => node.Process)];
        var ports = processes.Distinct().SelectMany(Ports).Distinct().ToArray();

        // The control port of each, and the server's for gradients.
        Assert.InRange(ports.Length, 5, 8);
        using var read = X509Certificate2.CreateFromPemFile(Path.Combine(run.In("stranger"), "node.crt"), Path.Combine(run.In("stranger"), "node.key"));
        using var theirs = X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), null);
        foreach (var port in ports)
        {
            await Knock(port);
            await Handshake(port, theirs);
        }

        var (code, output, errors) = await dtrain.End();
        Assert.True(code == 0, output + errors);
        var log = run.Log.Split('\n');
        Assert.InRange(log.Count(static line => line.Contains("tls: it speaks no TLS", StringComparison.Ordinal)), 2, ports.Length);
        Assert.DoesNotContain(log, static line => line.StartsWith("   at ", StringComparison.Ordinal));
        Assert.Equal(0, run.Result.GetProperty("recoveries").GetArrayLength());

        using var open = new RunDirectory();
        Assert.Equal(0, (await Dtrain.RunWithin(["train", "--in-process", "--run-dir", open.Run, .. Experiment[..2]])).Code);
        Assert.Equal(open.Hash, run.Hash);
    }

    [OpensslFact]
    public async Task Certificates_that_cannot_be_used_are_named_before_anything_starts()
    {
        using var run = new RunDirectory();
        Make([run.In("node"), "node-1.example"], run.In("authority"));

        // For another node, of the same authority; and nothing is overwritten.
        Make([run.In("second"), "10.0.0.2"], run.In("authority"));
        Assert.Contains("node.crt is there already, and is not overwritten", Make([run.In("node")], run.In("authority"), exitCode: 2), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(run.In("node"), "node.key")));
        Assert.Equal(File.ReadAllText(Path.Combine(run.In("node"), "ca.crt")), File.ReadAllText(Path.Combine(run.In("second"), "ca.crt")));

        await Refused(run.In("nowhere"), $"tls: there is no folder {run.In("nowhere")}");
        await Refused(run.In("node"), "node.crt is not for 127.0.0.1, under which other nodes reach this one, but for node-1.example");
        File.Copy(Path.Combine(run.In("second"), "node.key"), Path.Combine(run.In("node"), "node.key"), overwrite: true);
        await Refused(run.In("node"), $"{Path.Combine(run.In("node"), "node.key")} is not the key of {Path.Combine(run.In("node"), "node.crt")}");
    }

    private static async Task Refused(string directory, string problem)
    {
        var (code, _, errors) = await Dtrain.RunWithin(["node", "--roles", "worker", "--join", "127.0.0.1:1", "--tls", directory]);
        Assert.Equal(2, code);
        Assert.Contains(problem, errors, StringComparison.Ordinal);
    }

    /// <summary>What the script says.</summary>
    private static string Make(IEnumerable<string> arguments, string authority, int exitCode = 0)
    {
        var start = new ProcessStartInfo("bash", [Path.Combine(RepositoryRoot.Path, "scripts", "make-certificates.sh"), .. arguments]) { RedirectStandardError = true };
        start.Environment["AUTHORITY"] = authority;
        using var made = Process.Start(start)!;
        var said = made.StandardError.ReadToEnd();
        made.WaitForExit();
        Assert.True(made.ExitCode == exitCode, said);
        return said;
    }

    /// <summary>The TCP ports at which a process listens.</summary>
    private static IEnumerable<int> Ports(int process)
    {
        var sockets = Directory.EnumerateFiles($"/proc/{process}/fd").Select(static file => new FileInfo(file).LinkTarget ?? "").ToHashSet();

        // Local address (hex address:port) in column 1, state (0A: listens) in 3, inode in 9.
        foreach (var line in File.ReadLines($"/proc/{process}/net/tcp").Skip(1).Concat(File.ReadLines($"/proc/{process}/net/tcp6").Skip(1)))
        {
            var columns = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (columns[3] == "0A" && sockets.Contains($"socket:[{columns[9]}]"))
            {
                yield return int.Parse(columns[1].Split(':')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            }
        }
    }

    private static async Task Knock(int port)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await client.GetStream().WriteAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        await Closed(client.GetStream());
    }

    private static async Task Handshake(int port, X509Certificate2 own)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using var tls = new SslStream(client.GetStream());
        try
        {
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                ClientCertificates = [own],
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
            });
        }
        catch (Exception refused) when (refused is IOException or AuthenticationException)
        {
            return;
        }

        await Closed(tls);
    }

    /// <summary>Nothing is said to it, and the connection ends.</summary>
    private static async Task Closed(Stream stream)
    {
        try
        {
            Assert.Equal(0, await stream.ReadAsync(new byte[1]).AsTask().WaitAsync(Dtrain.Limit));
        }
        catch (IOException)
        {
            // Reset, since what it said was not read.
        }
    }
}
