using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Tests.Coordination;

public sealed class WorkerLinksTests
{
    private static readonly NodeId Server = new("s0");
    private readonly WorkerLinks _links = new();

    [Fact]
    public void The_others_wait_once_for_a_connection_that_broke()
    {
        Assert.True(_links.Lost(Server, Seconds(0)));
        Assert.True(_links.IsConnecting);
        Tells(Status.Training);
        Assert.False(_links.IsConnecting);

        // Again at once: a line that holds for seconds only.
        Assert.False(_links.Lost(Server, Seconds(29)));
        Assert.True(_links.IsUnreached);
    }

    [Fact]
    public void A_connection_that_held_for_long_or_was_to_another_server_is_another_matter()
    {
        Assert.True(_links.Lost(Server, Seconds(0)));
        Tells(Status.Training);
        Assert.True(_links.Lost(Server, Seconds(30)));
        Tells(Status.Training);
        Assert.True(_links.Lost(new NodeId("s1"), Seconds(31)));
    }

    [Fact]
    public void Nobody_waits_for_whoever_has_tried_in_vain_already()
    {
        Tells(Status.Connecting);
        Assert.False(_links.Lost(Server, Seconds(0)));
    }

    [Fact]
    public void Who_does_not_get_through_again_and_again_is_tried_less_and_less_often()
    {
        var away = new List<double>();
        for (var times = 0; times < 9; times++)
        {
            Tells(Status.Connecting);
            Assert.False(_links.Lost(Server, Seconds(40 * times)));
            away.Add(_links.Away.TotalSeconds);
            Tells(Status.Standby);
            _links.Back(Seconds((40 * times) + 35));
            Assert.Equal(1, _links.Away.TotalSeconds);
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 32, 32, 32], away);

        // One that holds begins anew.
        Tells(Status.Training);
        Assert.True(_links.Lost(Server, Seconds(1000)));
        Assert.Equal(1, _links.Away.TotalSeconds);
    }

    [Fact]
    public void A_trial_that_fails_while_it_is_cut_off_counts_for_nothing()
    {
        Tells(Status.Connecting);
        for (var times = 0; times < 5; times++)
        {
            Assert.False(_links.Lost(Server, Seconds(times)));
            Assert.Equal(1, _links.Away.TotalSeconds);
        }
    }

    [Fact]
    public void New_servers_are_another_matter()
    {
        Tells(Status.Connecting);
        Assert.False(_links.Lost(Server, Seconds(0)));
        Assert.True(_links.Forget());
        Assert.False(_links.Forget());
        Assert.True(_links.Lost(Server, Seconds(1)));
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private void Tells(string state) => _links.Told(new Protocol.Workers.Status(new RunId("r"), new WorkerId("w"), new StepId(0), 0, state, new StepCosts(0, 0, 0, 0, 0, 0, 0)));

    /// <summary>States by their names.</summary>
    private static class Status
    {
        public const string Connecting = Protocol.Workers.Status.Connecting;
        public const string Standby = Protocol.Workers.Status.Standby;
        public const string Training = Protocol.Workers.Status.Training;
    }
}
