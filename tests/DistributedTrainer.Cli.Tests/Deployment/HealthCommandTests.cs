using System.Net;
using System.Net.Sockets;
using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cli.Tests.Deployment;

/// <summary>What a container's health check runs.</summary>
public sealed class HealthCommandTests
{
    [Fact]
    public async Task Its_exit_code_is_what_the_node_says()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        Assert.Equal(ExitCodes.TrainingFailed, await Ask($"http://127.0.0.1:{port}/health/live"));

        // A node that was taken out of the cluster, and is not back yet.
        using var endpoint = new HealthEndpoint(port, static () => null);
        Assert.Equal(ExitCodes.Done, await Ask($"http://127.0.0.1:{port}/health/live"));
        Assert.Equal(ExitCodes.TrainingFailed, await Ask($"http://127.0.0.1:{port}/health/ready"));
        Assert.Equal(ExitCodes.UsageWrong, await Ask("nowhere"));
    }

    [Fact]
    public async Task Where_there_is_nothing_to_ask_all_is_well() => Assert.Equal(ExitCodes.Done, await HealthCommand.Create().Parse([]).InvokeAsync());

    private static Task<int> Ask(string url) => HealthCommand.Create().Parse(["--url", url]).InvokeAsync();
}
