using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace DistributedTrainer.Channels.Tls;

/// <summary>Certificates and keys in PEM form. What is wrong is told by file.</summary>
internal static class PemFiles
{
    /// <exception cref="ArgumentException">There is none in it, or it cannot be read.</exception>
    public static X509Certificate2Collection Certificates(string file)
    {
        var certificates = new X509Certificate2Collection();
        try { certificates.ImportFromPem(Text(file)); }
        catch (CryptographicException broken) { throw new ArgumentException($"tls: {file} holds no whole certificate: {broken.Message}", broken); }
        return certificates.Count > 0 ? certificates : throw new ArgumentException($"tls: {file} holds no certificate in PEM form (BEGIN CERTIFICATE).");
    }

    /// <summary>The certificate with its key.</summary>
    /// <exception cref="ArgumentException">The key cannot be read, or belongs to another certificate.</exception>
    public static X509Certificate2 WithKey(X509Certificate2 certificate, string keyFile, string certificateFile)
    {
        var key = Text(keyFile);
        if (key.Contains("ENCRYPTED", StringComparison.Ordinal))
            throw new ArgumentException($"tls: {keyFile} is protected by a passphrase, and nobody is there to be asked for it. Write it without: openssl pkey -in {keyFile} -out node.key");
        if (!key.Contains("PRIVATE KEY-----", StringComparison.Ordinal)) throw new ArgumentException($"tls: {keyFile} holds no key in PEM form (BEGIN PRIVATE KEY).");
        try
        {
            var whole = X509Certificate2.CreateFromPem(certificate.ExportCertificatePem(), key);
            // Windows' TLS wants keys that a file could hold.
            return OperatingSystem.IsWindows() ? X509CertificateLoader.LoadPkcs12(whole.Export(X509ContentType.Pkcs12), null) : whole;
        }
        catch (Exception misfit) when (misfit is CryptographicException or ArgumentException)
        {
            throw new ArgumentException($"tls: {keyFile} is not the key of {certificateFile}: {misfit.Message}", misfit);
        }
    }

    private static string Text(string file)
    {
        try { return File.ReadAllText(file); }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException($"tls: {file} cannot be read by this user ({Environment.UserName}): {closed.Message} Check its owner and its rights.", closed);
        }
    }
}
