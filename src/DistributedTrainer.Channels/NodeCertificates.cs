using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DistributedTrainer.Channels.Tls;

namespace DistributedTrainer.Channels;

/// <summary>
/// What a node shows to others, and whom it believes: its own certificate and key, and the authority of its cluster. Nobody
/// else is believed, none of the authorities that the system trusts either. Revocation is not checked: there is nobody to
/// ask in a cluster of one's own; a certificate ends with its validity, or with a new authority.
/// </summary>
public sealed class NodeCertificates : IDisposable
{
    /// <summary>The file of the authority, or of several, one after the other.</summary>
    public const string AuthorityFile = "ca.crt";

    /// <summary>The file of the node's certificate; certificates between it and the authority may follow.</summary>
    public const string CertificateFile = "node.crt";

    /// <summary>The file of the node's key.</summary>
    public const string KeyFile = "node.key";

    /// <summary>
    /// A certificate that has this name among its own is for every name: of nodes whose names nobody knows beforehand, as
    /// containers that are started as they are needed. It is the authority that says so, by signing it.
    /// </summary>
    public const string AnyName = "any.dtrain.internal";

    private const string ServerPurpose = "1.3.6.1.5.5.7.3.1";
    private const string ClientPurpose = "1.3.6.1.5.5.7.3.2";

    // Older ones are broken, or cannot be had without ciphers that are.
    private const SslProtocols Protocols = SslProtocols.Tls12 | SslProtocols.Tls13;

    private readonly X509Certificate2Collection _authorities;
    private readonly X509Certificate2Collection _between;
    private readonly X509Certificate2 _own;
    private readonly SslStreamCertificateContext _shown;

    private NodeCertificates(string directory, X509Certificate2Collection authorities, X509Certificate2 own, X509Certificate2Collection between)
    {
        (Directory, _authorities, _own, _between) = (directory, authorities, own, between);
        _shown = SslStreamCertificateContext.Create(own, between, offline: true);
    }

    /// <summary>Where they were read.</summary>
    public string Directory { get; }

    /// <summary>Until when the node's certificate is valid.</summary>
    public DateTimeOffset ValidUntil => _own.NotAfter;

    /// <summary>Reads ca.crt, node.crt and node.key, all in PEM form, and checks that they fit each other and are valid now.</summary>
    /// <param name="directory">Where they are.</param>
    /// <exception cref="ArgumentException">They cannot be used; the message names the file and says what to do.</exception>
    public static NodeCertificates Load(string directory)
    {
        var path = Path.GetFullPath(directory);
        if (!System.IO.Directory.Exists(path)) throw new ArgumentException($"tls: there is no folder {path}. {Remedy(path)}");
        string[] missing = [.. new[] { AuthorityFile, CertificateFile, KeyFile }.Where(file => !File.Exists(Path.Combine(path, file)))];
        if (missing.Length > 0) throw new ArgumentException($"tls: {path}: {string.Join(", ", missing)} {(missing.Length == 1 ? "is" : "are")} missing. {Remedy(path)}");

        var authorities = CertificatesIn(Path.Combine(path, AuthorityFile));
        var chain = CertificatesIn(Path.Combine(path, CertificateFile));
        var own = PemFiles.WithKey(chain[0], Path.Combine(path, KeyFile), Path.Combine(path, CertificateFile));
        chain.RemoveAt(0);
        var certificates = new NodeCertificates(path, authorities, own, chain);
        var problem = certificates.ProblemOf(own, chain, ServerPurpose) ?? certificates.ProblemOf(own, chain, ClientPurpose);
        if (problem is null) return certificates;
        certificates.Dispose();
        throw new ArgumentException($"tls: {Path.Combine(path, CertificateFile)}: {problem}");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var certificate in _authorities.Concat(_between).Append(_own)) certificate.Dispose();
    }

    /// <summary>What is wrong with it for a node that others reach under this name or address; null: nothing.</summary>
    /// <param name="host">A DNS name, or an address.</param>
    public string? ProblemUnder(string host) =>
        IsFor(_own, host) ? null
        : $"tls: {Path.Combine(Directory, CertificateFile)} is not for {host}, under which other nodes reach this one, but for {NamesOf(_own)}. Make one for that name (scripts/make-certificates.sh), or use one of its names (--host).";

    /// <summary>What is wrong with the certificate of a node that connects here; null: nothing.</summary>
    internal string? ProblemOfClient(X509Certificate2? shown, X509Certificate2Collection? between) =>
        shown is null ? "it shows no certificate. Start it with --tls, with a certificate of this cluster's authority." : ProblemOf(shown, between, ClientPurpose);

    /// <summary>What is wrong with the certificate of the node that was to be reached under this name or address; null: nothing.</summary>
    internal string? ProblemOfServer(X509Certificate2? shown, X509Certificate2Collection? between, string host) =>
        shown is null ? "it shows no certificate."
        : ProblemOf(shown, between, ServerPurpose)
            ?? (IsFor(shown, host) ? null
                : $"its certificate is not for {host}, but for {NamesOf(shown)}. Make one for that name (scripts/make-certificates.sh), or reach the node under one that it has (--host).");

    /// <summary>How to let a node in.</summary>
    /// <param name="verdict">Told what is wrong, if anything.</param>
    internal SslServerAuthenticationOptions Accepting(Action<string?> verdict) => new()
    {
        ServerCertificateContext = _shown,
        ClientCertificateRequired = true,
        EnabledSslProtocols = Protocols,
        EncryptionPolicy = EncryptionPolicy.RequireEncryption,
        AllowRenegotiation = false,
        // Each connection shows its certificate: what has expired meanwhile is seen.
        AllowTlsResume = false,
        CertificateChainPolicy = Policy(ClientPurpose),
        RemoteCertificateValidationCallback = (_, shown, chain, _) => Judge(verdict, ProblemOfClient(shown as X509Certificate2, chain?.ChainPolicy.ExtraStore)),
    };

    /// <summary>How to connect to a node.</summary>
    /// <param name="host">The name or address that its certificate has to be for.</param>
    /// <param name="verdict">Told what is wrong, if anything.</param>
    internal SslClientAuthenticationOptions Connecting(string host, Action<string?> verdict) => new()
    {
        TargetHost = host,
        ClientCertificateContext = _shown,
        EnabledSslProtocols = Protocols,
        EncryptionPolicy = EncryptionPolicy.RequireEncryption,
        AllowRenegotiation = false,
        AllowTlsResume = false,
        CertificateChainPolicy = Policy(ServerPurpose),
        RemoteCertificateValidationCallback = (_, shown, chain, _) => Judge(verdict, ProblemOfServer(shown as X509Certificate2, chain?.ChainPolicy.ExtraStore, host)),
    };

    private static bool Judge(Action<string?> verdict, string? problem)
    {
        verdict(problem);
        return problem is null;
    }

    private string? ProblemOf(X509Certificate2 shown, X509Certificate2Collection? between, string purpose)
    {
        using var chain = new X509Chain { ChainPolicy = Policy(purpose) };
        if (between is not null) chain.ChainPolicy.ExtraStore.AddRange(between);
        if (chain.Build(shown)) return null;

        var status = chain.ChainStatus.Aggregate(X509ChainStatusFlags.NoError, static (all, one) => all | one.Status);
        if ((status & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.NotSignatureValid)) != 0)
        {
            return $"its certificate (issued by {shown.Issuer}) is not from this cluster's authority ({string.Join(", ", _authorities.Select(static one => one.Subject))}). All nodes need certificates of the same {AuthorityFile}.";
        }

        if ((status & X509ChainStatusFlags.NotTimeValid) != 0)
        {
            // Its own, or that of an authority above it.
            var now = DateTime.Now;
            var of = chain.ChainElements.Select(static element => element.Certificate).FirstOrDefault(one => now < one.NotBefore || now > one.NotAfter) ?? shown;
            var whose = of.Equals(shown) ? "its certificate" : $"the authority of its certificate ({of.Subject})";
            return now < of.NotBefore
                ? $"{whose} is not valid before {Utc(of.NotBefore)}, and it is {Utc(now)}. Check the clocks of both machines."
                : $"{whose} has expired: it was valid until {Utc(of.NotAfter)}, and it is {Utc(now)}. Make a new one with scripts/make-certificates.sh.";
        }

        return (status & X509ChainStatusFlags.NotValidForUsage) != 0
            ? $"its certificate is not meant for {(purpose == ServerPurpose ? "servers" : "clients")}. A node needs both usages (serverAuth, clientAuth)."
            : $"its certificate cannot be believed: {string.Join(" ", chain.ChainStatus.Select(static one => one.StatusInformation.Trim()).Distinct())}";
    }

    // A stranger's certificate may name addresses where parts of it could be had: nothing is fetched.
    private X509ChainPolicy Policy(string purpose)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.AddRange(_authorities);
        policy.ApplicationPolicy.Add(new Oid(purpose));
        return policy;
    }

    private static X509Certificate2Collection CertificatesIn(string file) => PemFiles.Certificates(file);

    private static bool IsFor(X509Certificate2 certificate, string host) =>
        certificate.MatchesHostname(host, allowWildcards: true, allowCommonName: false) || certificate.MatchesHostname(AnyName, allowWildcards: false, allowCommonName: false);

    private static string NamesOf(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
            .SelectMany(static names => names.EnumerateDnsNames().Concat(names.EnumerateIPAddresses().Select(static address => address.ToString()))).ToArray();
        return names.Length == 0 ? "no name at all" : string.Join(", ", names);
    }

    private static string Utc(DateTime time) => $"{time.ToUniversalTime():yyyy-MM-dd HH:mm} UTC";

    private static string Remedy(string path) => $"Make them with scripts/make-certificates.sh {path} HOST…, or copy them there.";
}
