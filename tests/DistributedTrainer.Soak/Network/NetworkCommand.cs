using System.Globalization;

namespace DistributedTrainer.Soak.Network;

/// <summary><c>soak network PREFIX [--tls] [SEED] [CASE…]</c>: what is done to links, of <c>scripts/network-faults.sh</c>.</summary>
internal static class NetworkCommand
{
    public static async Task<int> Run(string[] arguments, CancellationToken cancel)
    {
        var (prefix, rest) = (arguments[0], arguments[1..]);
        var closed = rest is ["--tls", ..];
        rest = closed ? rest[1..] : rest;
        var seed = 1;
        if (rest.Length > 0 && int.TryParse(rest[0], NumberStyles.None, CultureInfo.InvariantCulture, out seed))
        {
            rest = rest[1..];
        }

        var unknown = rest.Except(NetworkCase.All.Select(static one => one.Name)).ToArray();
        if (unknown.Length > 0)
        {
            Console.Error.WriteLine($"network-faults: there is no case '{unknown[0]}'. Write any of {string.Join(", ", NetworkCase.All.Select(static one => one.Name))}.");
            return 2;
        }

        NetworkCase[] cases = [.. NetworkCase.All.Where(one => rest.Length == 0 || rest.Contains(one.Name))];
        return await new NetworkRun(prefix, seed, closed, cases).Run(cancel) ? 0 : 1;
    }
}
