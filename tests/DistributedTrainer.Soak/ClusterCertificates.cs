using System.Reflection;
using DistributedTrainer.Soak.Network;

namespace DistributedTrainer.Soak;

/// <summary>Certificates of one authority, made as users make them: a folder for each host, which <c>--tls</c> names.</summary>
/// <param name="folder">Where they are made.</param>
internal sealed class ClusterCertificates(string folder)
{
    private static readonly string Script = Assembly.GetExecutingAssembly().GetCustomAttributes<AssemblyMetadataAttribute>().Single(static data => data.Key == "MakeCertificates").Value!;

    /// <summary>Makes those of a host, the first time also the authority.</summary>
    /// <param name="host">Names its folder.</param>
    /// <param name="addresses">Under which others reach it; none: this machine, from itself.</param>
    /// <exception cref="SoakFailure">They cannot be made.</exception>
    public async Task<string> Make(string host, params string[] addresses)
    {
        var made = Path.Combine(folder, host);
        try
        {
            await Shell.Run(["bash", Script, made, .. addresses]);
        }
        catch (IOException problem)
        {
            throw new SoakFailure(problem.Message);
        }

        return made;
    }
}
