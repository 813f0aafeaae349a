using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using DistributedTrainer.Channels;

namespace DistributedTrainer.Tests.Shared;

/// <summary>An authority of a test, and the folders of nodes whose certificates it has signed.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;
    private readonly List<NodeCertificates> _loaded = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("dtrain-tls-").FullName;
    private int _nodes;

    public TestAuthority(string name = "test")
    {
        var request = new CertificateRequest($"CN={name}", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddYears(-10), DateTimeOffset.UtcNow.AddYears(10));
    }

    /// <summary>The authority's own certificate, as PEM.</summary>
    public string Pem => _certificate.ExportCertificatePem();

    /// <summary>A folder with ca.crt, node.crt and node.key.</summary>
    /// <param name="from">Since when it is valid, from now.</param>
    /// <param name="until">Until when, from now.</param>
    /// <param name="usages">1: of servers, 2: of clients.</param>
    /// <param name="names">Names and addresses; none: those of this machine.</param>
    public string Folder(TimeSpan? from = null, TimeSpan? until = null, int[]? usages = null, params string[] names)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_folder, $"node-{Interlocked.Increment(ref _nodes)}")).FullName;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=node-{_nodes}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. (usages ?? [1, 2]).Select(static usage => new Oid($"1.3.6.1.5.5.7.3.{usage}"))], false));
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names.Length > 0 ? names : ["localhost", "127.0.0.1", "::1"])
        {
            if (IPAddress.TryParse(name, out var address)) alternatives.AddIpAddress(address);
            else alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        var now = DateTimeOffset.UtcNow;
        using var node = request.Create(_certificate.SubjectName, X509SignatureGenerator.CreateForECDsa(_key), now + (from ?? TimeSpan.FromHours(-1)), now + (until ?? TimeSpan.FromDays(1)), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(Path.Combine(folder, NodeCertificates.AuthorityFile), Pem);
        File.WriteAllText(Path.Combine(folder, NodeCertificates.CertificateFile), node.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, NodeCertificates.KeyFile), key.ExportPkcs8PrivateKeyPem());
        return folder;
    }

    /// <summary>The same, read.</summary>
    public NodeCertificates Node(params string[] names) => Keep(NodeCertificates.Load(Folder(names: names)));

    /// <summary>A node whose certificate cannot be used any more, or not yet: no node would start with it, and a stranger may.</summary>
    public X509Certificate2 Loose(TimeSpan? from = null, TimeSpan? until = null, params string[] names)
    {
        var folder = Folder(from, until, null, names);
        using var read = X509Certificate2.CreateFromPemFile(Path.Combine(folder, NodeCertificates.CertificateFile), Path.Combine(folder, NodeCertificates.KeyFile));
        // As a file would hold it, which TLS of all systems takes.
        return X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), null);
    }

    public void Dispose()
    {
        foreach (var node in _loaded) node.Dispose();
        _certificate.Dispose();
        _key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private NodeCertificates Keep(NodeCertificates node)
    {
        lock (_loaded) _loaded.Add(node);
        return node;
    }
}
