using Akka.Actor;
using Akka.Configuration;
using Akka.Event;
using Akka.TestKit;
using DistributedTrainer.Cluster.Hosting;

namespace DistributedTrainer.Cluster.Tests.Actors;

/// <summary>Suites with actor systems: one after the other, since they would starve each other on few cores.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ClusterCollection
{
    public const string Name = "cluster";
}

/// <summary>An actor system with the project's own settings, every message serialized on its way, and a clock that only the test moves.</summary>
[Collection(ClusterCollection.Name)]
public abstract class ActorTest : Akka.TestKit.Xunit2.TestKit
{
    protected static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    protected ActorTest()
        : base(Settings())
    {
    }

    protected void Advance(double seconds) => ((TestScheduler)Sys.Scheduler).Advance(TimeSpan.FromSeconds(seconds));

    private static Config Settings()
    {
        using var reader = new StreamReader(typeof(NodeHost).Assembly.GetManifestResourceStream("node.conf")!);
        return ConfigurationFactory.ParseString("""
            akka {
              actor.serialize-messages = on
              scheduler.implementation = "DistributedTrainer.Cluster.Tests.Actors.VirtualScheduler, DistributedTrainer.Cluster.Tests"
              coordinated-shutdown.run-by-actor-system-terminate = off
              test.default-timeout = 30s
              test.single-expect-default = 30s
            }
            """).WithFallback(ConfigurationFactory.ParseString(reader.ReadToEnd()));
    }
}

/// <summary>The test kit's scheduler, whose monotonic clock moves with it.</summary>
internal sealed class VirtualScheduler(Config config, ILoggingAdapter log) : TestScheduler(config, log), ITimeProvider
{
    TimeSpan ITimeProvider.MonotonicClock => Now - DateTimeOffset.UnixEpoch;

    TimeSpan ITimeProvider.HighResMonotonicClock => Now - DateTimeOffset.UnixEpoch;
}
