using DistributedTrainer.Experiments;
using DistributedTrainer.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace DistributedTrainer.Tests;

public sealed class HostingTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hosting").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_host_goes_on_with_what_its_configuration_names_until_it_is_done_and_stops()
    {
        var file = Path.Combine(_folder, "iris.yaml");
        await File.WriteAllTextAsync(file, "data: { source: iris }\nmodel: { layers: [ linear: 3 ] }\ntraining: { epochs: 2, batch-size: 32, shards: 2 }");
        using var cancel = new CancellationTokenSource();
        var before = new Trainer(Trainer.FromFile(file).Experiment) { RunDirectory = Path.Combine(_folder, "run") };
        before.Started += (_, _) => cancel.Cancel();
        await Assert.ThrowsAsync<TrainingCanceledException>(() => before.RunAsync(cancel.Token));

        var run = await RunHost(file);
        var result = await run.Result;
        Assert.True(result.TestAccuracy > 0);
        var written = File.GetLastWriteTimeUtc(Path.Combine(_folder, "run", "metrics.jsonl"));
        Assert.Equal(result.Json, (await (await RunHost(file)).Result).Json);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(_folder, "run", "metrics.jsonl")));
        Assert.True(File.Exists(Path.Combine(_folder, "run", "model.safetensors")));
        Assert.Contains("workers: 1,", await File.ReadAllTextAsync(Path.Combine(_folder, "run", "experiment.yaml")), StringComparison.Ordinal);
        Assert.Equal(HealthStatus.Healthy, (await new TrainingHealthCheck(run).CheckHealthAsync(new HealthCheckContext())).Status);
    }

    [Fact]
    public async Task A_host_is_a_cluster_that_a_trainer_joins_and_that_stays()
    {
        var builder = Builder(("Runs", Path.Combine(_folder, "runs")), ("Workers", "2"));
        builder.AddDistributedTrainer(static options =>
        {
            foreach (var role in (string[])["coordinator", "server", "worker"])
            {
                options.Roles.Add(role);
            }
        });
        using var host = builder.Build();
        await host.StartAsync();
        var run = host.Services.GetRequiredService<TrainingRun>();
        var trainer = new Trainer(Trainer.FromYaml("data: { source: iris }\nmodel: { layers: [ linear: 3 ] }\ntraining: { epochs: 1, batch-size: 32, shards: 2 }").Experiment) { ClusterAddress = await run.NodeAddress };
        var (here, there) = (await new Trainer(trainer.Experiment) { RunDirectory = Path.Combine(_folder, "here") }.RunAsync(), await trainer.RunAsync());
        Assert.Equal(here.ParametersSha256, there.ParametersSha256);
        Assert.StartsWith(Path.Combine(_folder, "runs"), there.RunDirectory, StringComparison.Ordinal);
        Assert.False(run.Result.IsCompleted);
        await host.StopAsync();
        Assert.True(run.Result.IsCanceled);
    }

    [Fact]
    public async Task A_host_that_fails_says_so_to_whoever_asks()
    {
        var builder = Builder();
        builder.AddDistributedTrainer(static options =>
        {
            options.CreateTrainer = static _ => new Trainer(Trainer.FromYaml("data: { source: iris }\nmodel: { layers: [ linear: 4 ] }").Experiment);
        });
        using var host = builder.Build();
        await host.StartAsync();
        var run = host.Services.GetRequiredService<TrainingRun>();
        await Assert.ThrowsAsync<InvalidExperimentException>(() => run.Result);
        Assert.Equal(HealthStatus.Unhealthy, (await new TrainingHealthCheck(run).CheckHealthAsync(new HealthCheckContext())).Status);
    }

    [Fact]
    public void Wrong_options_are_refused_all_at_once()
    {
        var builder = Builder(("Roles:0", "wroker"), ("Experiment", "x.yaml"), ("Workers", "0"));
        builder.AddDistributedTrainer();
        using var host = builder.Build();
        var refused = Assert.Throws<OptionsValidationException>(() => host.Services.GetRequiredService<IOptions<DistributedTrainerOptions>>().Value);
        Assert.Equal(
            "DistributedTrainer: Roles and an experiment are both there: a node waits for experiments. Remove one of them. Roles: 'wroker' is no role. Possible are coordinator, server, worker. "
            + "Join is missing: without a cluster to join, a node has the role coordinator. Workers is 0 and Port 0; possible are 1 to 1024, and 0 to 65535.",
            refused.Message);
    }

    private async Task<TrainingRun> RunHost(string experiment)
    {
        var builder = Builder(("Experiment", experiment), ("Set:0", "cluster.workers=1"), ("RunDirectory", Path.Combine(_folder, "run")));
        builder.AddDistributedTrainer();
        using var host = builder.Build();
        var run = host.Services.GetRequiredService<TrainingRun>();
        await host.RunAsync();
        return run;
    }

    private static HostApplicationBuilder Builder(params (string Key, string Value)[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(settings.Select(static setting => KeyValuePair.Create($"DistributedTrainer:{setting.Key}", (string?)setting.Value)));
        return builder;
    }
}
