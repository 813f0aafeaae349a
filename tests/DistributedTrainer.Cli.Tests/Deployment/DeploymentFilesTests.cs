using System.Diagnostics;
using System.Text.RegularExpressions;
using DistributedTrainer.Cli.Commands;

namespace DistributedTrainer.Cli.Tests.Deployment;

/// <summary>Files that start clusters: that they have the form which their readers ask for, and name settings that there are.</summary>
public sealed partial class DeploymentFilesTests
{
    private const string User = "1654";

    private static readonly string[] Roles = ["coordinator", "server", "worker"];

    [Fact]
    public void Compose_starts_each_role_with_settings_that_there_are()
    {
        var compose = Assert.Single(RepositoryFiles.Yaml("docker-compose.yml"));
        foreach (var role in Roles)
        {
            var service = compose.At("services", role);
            Assert.Equal(role, service.At("environment", "DTRAIN_ROLES"));
            Assert.Equal("unless-stopped", service.At("restart"));
            Assert.Equal("10s", service.At("stop_grace_period"));
            Assert.Equal("true", service.At("read_only"));
            Checked(((IDictionary<object, object>)service.At("environment")).ToDictionary(static pair => (string)pair.Key, static pair => (string)pair.Value));
        }

        // Begun after those that it needs, ended before them.
        Assert.Equal(["server", "worker"], ((IList<object>)compose.At("services", "coordinator", "depends_on")).Cast<string>());
        Assert.Contains("runs:/data/runs", (IList<object>)compose.At("services", "coordinator", "volumes"));
        Assert.Contains("runs:/data/runs:ro", (IList<object>)compose.At("services", "dashboard", "volumes"));
        Assert.StartsWith("${DTRAIN_DASHBOARD:-127.0.0.1:", (string)compose.At("services", "dashboard", "ports", 0), StringComparison.Ordinal);
    }

    [Fact]
    public void What_closes_a_cluster_to_strangers_reaches_every_node_of_both()
    {
        var closed = Assert.Single(RepositoryFiles.Yaml("deploy", "compose", "tls.yml"));
        foreach (var service in (string[])[.. Roles, "submit"])
        {
            Assert.Equal("/etc/dtrain/tls", closed.At("services", service, "environment", "DTRAIN_TLS"));
            Assert.EndsWith(":/etc/dtrain/tls:ro", (string)closed.At("services", service, "volumes", 0), StringComparison.Ordinal);
        }

        var lines = RepositoryFiles.Read("deploy", "kubernetes", "dtrain.yaml").Split('\n').Where(static line => line.TrimStart().StartsWith("#tls ", StringComparison.Ordinal)).Select(static line => line.Trim()).ToArray();
        foreach (var line in (string[])["#tls - { name: DTRAIN_TLS, value: /etc/dtrain/tls }", "#tls - { name: tls, mountPath: /etc/dtrain/tls, readOnly: true }", "#tls - { name: tls, secret: { secretName: dtrain-tls, defaultMode: 0440 } }"])
        {
            Assert.Equal(Roles.Length, lines.Count(one => one == line));
        }
    }

    [Fact]
    public void Metrics_are_had_of_every_node()
    {
        var watched = Assert.Single(RepositoryFiles.Yaml("deploy", "compose", "metrics.yml"));
        var compose = Assert.Single(RepositoryFiles.Yaml("docker-compose.yml"));
        foreach (var role in Roles)
        {
            var environment = ((IDictionary<object, object>)watched.At("services", role, "environment")).ToDictionary(static pair => (string)pair.Key, static pair => (string)pair.Value);
            Checked(environment);

            // The health check of the image does not see that it is the same.
            Assert.Equal(compose.At("services", role, "environment", "DTRAIN_HEALTH_PORT"), environment["DTRAIN_METRICS_PORT"]);
        }
    }

    [Fact]
    public void The_image_is_built_in_layers_and_runs_as_nobody_special()
    {
        var lines = RepositoryFiles.Read("Dockerfile").Split('\n').Select(static line => line.Trim()).ToList();
        Assert.Equal(2, lines.Count(static line => line.StartsWith("FROM ", StringComparison.Ordinal)));
        Assert.Contains($"USER {User}:{User}", lines);
        Assert.Contains(lines, static line => line.StartsWith("HEALTHCHECK ", StringComparison.Ordinal));
        Assert.Contains("ENTRYPOINT [\"dtrain\"]", lines);

        // Packages are restored from project files alone: every one must be there before.
        var restore = lines.FindIndex(static line => line.StartsWith("RUN dotnet restore", StringComparison.Ordinal));
        Assert.InRange(restore, 0, lines.FindIndex(static line => line == "COPY src src"));
        foreach (var project in Directory.GetDirectories(Path.Combine(RepositoryFiles.Root, "src")).Select(Path.GetFileName))
        {
            Assert.Contains(lines.Take(restore), line => line.StartsWith($"COPY src/{project}/*.csproj ", StringComparison.Ordinal));
        }

        Checked(Setting().Matches(RepositoryFiles.Read("Dockerfile")).ToDictionary(static match => match.Groups[1].Value, static match => match.Groups[2].Value));
    }

    [Fact]
    public void Kubernetes_manifests_have_what_each_kind_needs()
    {
        var all = RepositoryFiles.Yaml("deploy", "kubernetes", "dtrain.yaml");
        var services = all.Where(static one => (string)one.At("kind") == "Service").ToDictionary(static one => (string)one.At("metadata", "name"));
        Assert.Equal(3, services.Count);
        Assert.All(services.Values, static service => Assert.Equal("v1", service.At("apiVersion")));
        var workloads = all.Where(static one => (string)one.At("kind") != "Service").ToDictionary(static one => (string)one.At("metadata", "labels", "role"));
        Assert.Equal(Roles, workloads.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(("StatefulSet", "StatefulSet", "Deployment"), ((string)workloads["coordinator"].At("kind"), (string)workloads["server"].At("kind"), (string)workloads["worker"].At("kind")));
        foreach (var (role, workload) in workloads)
        {
            Assert.Equal("apps/v1", workload.At("apiVersion"));
            Assert.Equal(workload.At("spec", "selector", "matchLabels"), workload.At("spec", "template", "metadata", "labels"));
            if ((string)workload.At("kind") == "StatefulSet")
            {
                // Its pods are called by the service that it names, which gives each an address of its own.
                var service = services[(string)workload.At("spec", "serviceName")];
                Assert.Equal(("None", "true"), (service.At("spec", "clusterIP"), service.At("spec", "publishNotReadyAddresses")));
                Assert.Equal(workload.At("spec", "selector", "matchLabels"), service.At("spec", "selector"));
            }

            var pod = workload.At("spec", "template", "spec");
            Assert.Equal(("false", "true", User), (pod.At("enableServiceLinks"), pod.At("securityContext", "runAsNonRoot"), pod.At("securityContext", "runAsUser")));
            Assert.InRange(int.Parse((string)pod.At("terminationGracePeriodSeconds"), System.Globalization.CultureInfo.InvariantCulture), 10, 60);
            var node = pod.At("containers", 0);
            var environment = ((IList<object>)node.At("env")).ToDictionary(static one => (string)one.At("name"), static one => one.Has("value") ? (string)one.At("value") : null);
            Assert.Equal(role, environment["DTRAIN_ROLES"]);
            Checked(environment.Where(static pair => pair.Value is not null && pair.Key.StartsWith("DTRAIN_", StringComparison.Ordinal)).ToDictionary(static pair => pair.Key, static pair => pair.Value!.Replace("$(POD_NAME)", "pod-0", StringComparison.Ordinal)));
            Assert.Equal(("/health/live", "/health/ready"), (node.At("livenessProbe", "httpGet", "path"), node.At("readinessProbe", "httpGet", "path")));
            var ports = ((IList<object>)node.At("ports")).ToDictionary(static port => (string)port.At("name"), static port => (string)port.At("containerPort"));
            Assert.Equal(environment["DTRAIN_HEALTH_PORT"], ports[(string)node.At("readinessProbe", "httpGet", "port")]);
            var annotations = workload.At("spec", "template", "metadata", "annotations");
            Assert.Equal(("true", environment["DTRAIN_METRICS_PORT"], "/metrics"), (annotations.At("prometheus.io/scrape"), annotations.At("prometheus.io/port"), annotations.At("prometheus.io/path")));
            var volumes = ((IList<object>)pod.At("volumes")).Select(static volume => (string)volume.At("name")).Concat(workload.At("spec").Has("volumeClaimTemplates") ? [(string)workload.At("spec", "volumeClaimTemplates", 0, "metadata", "name")] : []).ToArray();
            Assert.All((IList<object>)node.At("volumeMounts"), mount => Assert.Contains((string)mount.At("name"), volumes));
        }
    }

    [Fact]
    public void The_systemd_unit_restarts_and_stops_within_the_limit()
    {
        var unit = RepositoryFiles.Read("deploy", "systemd", "dtrain@.service");
        foreach (var line in (string[])["Restart=always", "RestartPreventExitStatus=2", "KillSignal=SIGTERM", "TimeoutStopSec=10", "User=dtrain", "EnvironmentFile=/etc/dtrain/%i.env", "WantedBy=multi-user.target"])
        {
            Assert.Contains(line, unit.Split('\n'));
        }

        Checked(Setting().Matches(unit).ToDictionary(static match => match.Groups[1].Value, static match => match.Groups[2].Value));
    }

    [SkippableFact("systemd-analyze")]
    public void Systemd_finds_nothing_wrong_with_the_unit()
    {
        // The program is not installed here; everything else is looked at as it stands.
        var folder = Directory.CreateTempSubdirectory("dtrain-unit-").FullName;
        var file = Path.Combine(folder, "dtrain@worker.service");
        File.WriteAllText(file, RepositoryFiles.Read("deploy", "systemd", "dtrain@.service").Replace("/opt/dtrain/dtrain", "/bin/true", StringComparison.Ordinal));
        using var analyze = Process.Start(new ProcessStartInfo("systemd-analyze", ["verify", "--man=no", file]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        var said = analyze.StandardError.ReadToEnd();
        analyze.WaitForExit();
        Directory.Delete(folder, recursive: true);
        Assert.DoesNotContain("dtrain@", said, StringComparison.Ordinal);
    }

    /// <summary>Names that there are, with values of their form; files are elsewhere.</summary>
    private static void Checked(Dictionary<string, string> variables)
    {
        var plain = variables.Where(static pair => pair.Key is not "DTRAIN_EXPERIMENT" and not "DTRAIN_CONFIG").ToDictionary();
        var settings = new EnvironmentSettings(plain);
        Assert.Empty(settings.Problems);
        Assert.Empty(settings.Unknown);
    }

    [GeneratedRegex("(DTRAIN_[A-Z_]+)=([^ \\n\\\\]+)")]
    private static partial Regex Setting();
}

/// <summary>A test that needs a program, and is skipped where it is not installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SkippableFactAttribute : FactAttribute
{
    public SkippableFactAttribute(string program)
    {
        var found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, program)));
        Skip = found ? null : $"{program} is not installed.";
    }
}
