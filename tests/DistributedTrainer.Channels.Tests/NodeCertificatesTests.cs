using System.Security.Cryptography;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Channels.Tests;

/// <summary>What a node says at its start of certificates that it cannot use.</summary>
public sealed class NodeCertificatesTests : IDisposable
{
    private readonly TestAuthority _authority = new("ours");

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void Files_that_fit_are_read()
    {
        using var node = NodeCertificates.Load(_authority.Folder());
        Assert.InRange(node.ValidUntil, DateTimeOffset.Now, DateTimeOffset.Now.AddDays(2));
    }

    [Fact]
    public void Several_authorities_may_be_believed_while_one_takes_over_from_another()
    {
        using var next = new TestAuthority("next");
        var folder = _authority.Folder();
        File.WriteAllText(Path.Combine(folder, NodeCertificates.AuthorityFile), $"{next.Pem}\n{_authority.Pem}\n");
        using var node = NodeCertificates.Load(folder);
        using var theirs = next.Loose();
        Assert.Null(node.ProblemOfClient(theirs, null));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_named_with_what_to_do()
    {
        var nowhere = Path.Combine(_authority.Folder(), "nowhere");
        Assert.Equal($"tls: there is no folder {nowhere}. Make them with scripts/make-certificates.sh {nowhere} HOST…, or copy them there.", Problem(nowhere));
    }

    [Fact]
    public void All_files_that_are_missing_are_named_at_once()
    {
        var folder = _authority.Folder();
        File.Delete(Path.Combine(folder, NodeCertificates.CertificateFile));
        File.Delete(Path.Combine(folder, NodeCertificates.KeyFile));
        Assert.Contains($"{folder}: node.crt, node.key are missing", Problem(folder));
    }

    [Theory]
    [InlineData(NodeCertificates.AuthorityFile, "", "holds no certificate in PEM form")]
    [InlineData(NodeCertificates.CertificateFile, "hello", "holds no certificate in PEM form")]
    [InlineData(NodeCertificates.CertificateFile, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no whole certificate")]
    [InlineData(NodeCertificates.KeyFile, "hello", "holds no key in PEM form")]
    [InlineData(NodeCertificates.KeyFile, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "is protected by a passphrase")]
    [InlineData(NodeCertificates.KeyFile, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "is not the key of")]
    public void A_file_that_holds_something_else_is_named(string file, string text, string problem)
    {
        var folder = _authority.Folder();
        File.WriteAllText(Path.Combine(folder, file), text);
        var message = Problem(folder);
        Assert.Contains(Path.Combine(folder, file), message);
        Assert.Contains(problem, message);
    }

    [Fact]
    public void The_key_of_another_certificate_is_found_out()
    {
        var (folder, other) = (_authority.Folder(), _authority.Folder());
        File.Copy(Path.Combine(other, NodeCertificates.KeyFile), Path.Combine(folder, NodeCertificates.KeyFile), overwrite: true);
        var message = Problem(folder);
        Assert.Contains(Path.Combine(folder, NodeCertificates.KeyFile), message);
        Assert.Contains("is not the key of", message);
    }

    [Fact]
    public void A_key_that_cannot_be_read_is_named()
    {
        var folder = _authority.Folder();
        var file = Path.Combine(folder, NodeCertificates.KeyFile);
        using var held = new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Contains($"{file} cannot be read by this user ({Environment.UserName})", Problem(folder));
    }

    [Fact]
    public void A_certificate_of_another_authority_is_found_out()
    {
        using var other = new TestAuthority("theirs");
        var folder = _authority.Folder();
        File.WriteAllText(Path.Combine(folder, NodeCertificates.AuthorityFile), other.Pem);
        var message = Problem(folder);
        Assert.Contains(Path.Combine(folder, NodeCertificates.CertificateFile), message);
        Assert.Contains("(issued by CN=ours) is not from this cluster's authority (CN=theirs)", message);
    }

    /// <summary>Its name is the same, and only the signature tells.</summary>
    [Fact]
    public void A_certificate_of_an_authority_that_only_calls_itself_the_same_is_found_out()
    {
        using var other = new TestAuthority("ours");
        var folder = _authority.Folder();
        File.WriteAllText(Path.Combine(folder, NodeCertificates.AuthorityFile), other.Pem);
        Assert.Contains("is not from this cluster's authority", Problem(folder));
    }

    [Theory]
    [InlineData(-2, -1, "has expired: it was valid until")]
    [InlineData(1, 2, "is not valid before")]
    public void A_certificate_whose_time_is_over_or_has_not_come_is_found_out(int from, int until, string problem) =>
        Assert.Contains(problem, Problem(_authority.Folder(TimeSpan.FromDays(from), TimeSpan.FromDays(until))));

    [Fact]
    public void A_certificate_that_is_not_for_clients_is_found_out() =>
        Assert.Contains("is not meant for clients", Problem(_authority.Folder(null, null, [1])));

    private static string Problem(string folder)
    {
        var problem = Assert.Throws<ArgumentException>(() => NodeCertificates.Load(folder)).Message;
        Assert.DoesNotContain('\n', problem);
        return problem;
    }
}
