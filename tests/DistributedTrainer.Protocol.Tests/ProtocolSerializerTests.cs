using System.Runtime.Serialization;
using System.Text;
using Akka.Actor;
using CsCheck;

namespace DistributedTrainer.Protocol.Tests;

public sealed class ProtocolSerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("protocol");
    private readonly ProtocolSerializer _serializer;

    public ProtocolSerializerTests() => _serializer = new ProtocolSerializer((ExtendedActorSystem)_system);

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Every_message_type_has_a_sample() =>
        Assert.Equal(Samples.MessageTypes.Select(type => type.FullName).Order(), Samples.All.Select(message => message.GetType().FullName).Order());

    [Fact]
    public void Every_message_survives_the_way_there_and_back()
    {
        foreach (var message in Samples.All)
            Samples.AssertSame(message, _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message)));
    }

    [Fact]
    public void Members_that_may_be_null_survive_as_null()
    {
        IProtocolMessage[] messages =
        [
            new Submissions.Submit("", "", "", null, false, false),
            new Submissions.Ended(new RunId("r"), false, null, null, ""),
            new Submissions.View(new RunId("r"), "", 0, 0, 0, 0, 0, null, null, 0, 0, 0, []),
        ];
        foreach (var message in messages)
            Samples.AssertSame(message, _serializer.FromBinary(_serializer.ToBinary(message), _serializer.Manifest(message)));
    }

    /// <summary>The form on the wire, pinned: where a line changes on purpose, the version in its manifest must change too.</summary>
    [Fact]
    public void The_form_of_every_message_is_the_one_on_record()
    {
        var expected = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Golden", "messages.txt"));
        var actual = Samples.All.Select(message => $"{_serializer.Manifest(message)} {Encoding.UTF8.GetString(_serializer.ToBinary(message))}");
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Manifests_are_unique_and_end_in_a_version()
    {
        var manifests = Samples.All.Select(_serializer.Manifest).ToArray();
        Assert.Equal(manifests.Length, manifests.Distinct().Count());
        Assert.All(manifests, manifest => Assert.Matches(@"^[A-Z]\w+\.[A-Z]\w+\.\d+$", manifest));
    }

    [Fact]
    public void The_identifier_of_the_serializer_is_the_one_on_record() => Assert.Equal(7301, _serializer.Identifier);

    [Theory]
    [InlineData("")]
    [InlineData("Nodes.Register")]
    [InlineData("Nodes.Register.1")]
    [InlineData("nodes.register.6")]
    [InlineData("DistributedTrainer.Protocol.Nodes+Register, DistributedTrainer.Protocol")]
    [InlineData("System.Diagnostics.Process, System.Diagnostics.Process")]
    [InlineData(".SetSums.3")]
    [InlineData("Workers.Route.6")]
    public void An_unknown_manifest_is_refused_by_name(string manifest)
    {
        var refusal = Assert.Throws<SerializationException>(() => _serializer.FromBinary("{}"u8.ToArray(), manifest));
        Assert.Contains($"'{manifest}'", refusal.Message);
    }

    [Fact]
    public void What_is_no_protocol_message_is_not_written()
    {
        Assert.Throws<SerializationException>(() => _serializer.ToBinary("text"));
        Assert.Throws<SerializationException>(() => _serializer.ToBinary(new SetSums(0, 0, 0)));
        Assert.Throws<SerializationException>(() => _serializer.Manifest(new object()));
    }

    /// <summary>Only messages of the very same members can be taken for one another; the manifest tells those apart.</summary>
    [Fact]
    public void The_bytes_of_another_message_are_refused()
    {
        var refused = 0;
        foreach (var message in Samples.All)
        {
            foreach (var other in Samples.All.Where(other => !Members(other).SequenceEqual(Members(message))))
            {
                Refused(_serializer.ToBinary(message), _serializer.Manifest(other));
                refused++;
            }
        }

        Assert.True(refused > 600, $"only {refused} pairs differ");
    }

    [Fact]
    public void A_message_that_lacks_a_member_is_refused() => Refused("{\"Run\":\"r\"}"u8.ToArray(), "Submissions.Accepted.6");

    [Fact]
    public void A_message_with_an_unknown_member_is_refused() => Refused("{\"Run\":\"r\",\"RunDirectory\":\"d\",\"More\":1}"u8.ToArray(), "Submissions.Accepted.6");

    [Fact]
    public void A_message_with_a_member_twice_is_refused() => Refused("{\"Run\":\"r\",\"Run\":\"s\",\"RunDirectory\":\"d\"}"u8.ToArray(), "Submissions.Accepted.6");

    [Theory]
    [InlineData("{\"Run\":null,\"RunDirectory\":\"d\"}")]
    [InlineData("{\"Run\":\"r\",\"RunDirectory\":null}")]
    [InlineData("{\"Run\":{\"Value\":\"r\"},\"RunDirectory\":\"d\"}")]
    [InlineData("{\"Run\":3,\"RunDirectory\":\"d\"}")]
    [InlineData("{\"$type\":\"System.Object\",\"Run\":\"r\",\"RunDirectory\":\"d\"}")]
    [InlineData("{\"Run\":\"r\",\"RunDirectory\":\"d\"} more")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("")]
    public void A_message_in_another_form_is_refused(string json) => Refused(Encoding.UTF8.GetBytes(json), "Submissions.Accepted.6");

    [Theory]
    [InlineData("9223372036854775808")]
    [InlineData("1.5")]
    [InlineData("\"1\"")]
    [InlineData("null")]
    public void A_generation_that_is_no_whole_number_is_refused(string number) =>
        Refused(Encoding.UTF8.GetBytes($"{{\"Run\":\"r\",\"Partition\":0,\"Generation\":{number}}}"), "Partitions.Fence.6");

    [Fact]
    public void Deeply_nested_text_is_refused()
    {
        foreach (var message in Samples.All)
        {
            Refused(Encoding.UTF8.GetBytes(new string('[', 100_000)), _serializer.Manifest(message));
            Refused(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"Run\":", 100_000))), _serializer.Manifest(message));
        }
    }

    [Fact]
    public void Random_bytes_are_refused() =>
        Gen.Select(Gen.Byte.Array[0, 200], Gen.Int[0, Samples.All.Length - 1])
            .SampleSeeded(pair => Refused(pair.Item1, _serializer.Manifest(Samples.All[pair.Item2])), seed: "0000KOIPZAL3", iter: 5_000);

    /// <summary>One byte changed in a good message: read as some message, or refused, but never another failure.</summary>
    [Fact]
    public void A_damaged_message_is_read_or_refused_and_nothing_else() =>
        Gen.Select(Gen.Int[0, Samples.All.Length - 1], Gen.Int[0, 10_000], Gen.Byte)
            .SampleSeeded(
                (sample, position, value) =>
                {
                    var bytes = _serializer.ToBinary(Samples.All[sample]);
                    bytes[position % bytes.Length] = value;
                    try { Assert.IsAssignableFrom<IProtocolMessage>(_serializer.FromBinary(bytes, _serializer.Manifest(Samples.All[sample]))); }
                    catch (SerializationException) { /* What a refusal is. */ }
                },
                seed: "0000KOIPZAL3", iter: 20_000);

    [Fact]
    public void A_torn_message_is_refused_wherever_it_is_torn()
    {
        foreach (var message in Samples.All)
        {
            var bytes = _serializer.ToBinary(message);
            for (var length = 0; length < bytes.Length; length++) Refused(bytes[..length], _serializer.Manifest(message));
        }
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(double.NegativeInfinity)]
    [InlineData(-0.0)]
    [InlineData(double.Epsilon)]
    [InlineData(double.MaxValue)]
    [InlineData(0.1)]
    public void A_number_keeps_its_bits(double number)
    {
        var applied = new Partitions.StepsApplied(new RunId("r"), new StepId(1), [number, 1], [1, 1], [0.5, 0.25], [7, 8], [], 9);
        Samples.AssertSame(applied, _serializer.FromBinary(_serializer.ToBinary(applied), _serializer.Manifest(applied)));
    }

    [Fact]
    public void Any_finite_number_keeps_its_bits() =>
        Gen.Double.SampleSeeded(number =>
        {
            var evaluated = new Partitions.Evaluated(new RunId("r"), new StepId(1), new SetSums(number, 1, 1), new SetSums(0, 0, 0), [new LayerUnits("1", "tanh", 8, null, 0)], new StepId(0), true);
            Samples.AssertSame(evaluated, _serializer.FromBinary(_serializer.ToBinary(evaluated), _serializer.Manifest(evaluated)));
        }, seed: "0000KOIPZAL3", iter: 5_000);

    [Fact]
    public void An_identifier_without_a_value_is_not_written()
    {
        var refusal = Assert.Throws<SerializationException>(() => _serializer.ToBinary(new Nodes.EndRun(default)));
        Assert.Contains("RunId", refusal.Message);
    }

    [Fact]
    public void The_messages_of_the_busy_paths_are_small()
    {
        Assert.InRange(Size(new Partitions.Fenced(new RunId("digits"), new PartitionId(0), new Generation(1), new StepId(1000))), 1, 80);
        Assert.InRange(Size(new Workers.Status(new RunId("digits"), new WorkerId("worker-1/0"), new StepId(1000), 128_000, "computing", new StepCosts(1000, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000_000))), 1, 260);
        // A second of ten thousand steps: far below the 128,000 bytes above which a message is dropped.
        Assert.InRange(Size(new Partitions.StepsApplied(new RunId("digits"), new StepId(1), new double[1000], new int[1000], new double[1000], [.. Enumerable.Repeat(1_700_000_000_000_000, 1000)], [.. Enumerable.Range(0, 1000)], 1_000_000_000)), 1, 64_000);
    }

    [Fact]
    public void Text_is_written_without_six_byte_escapes()
    {
        var yaml = "name: \"größe\" # <a> + 'b' & c\n";
        var json = Encoding.UTF8.GetString(_serializer.ToBinary(new Nodes.Prepare(new RunId("r"), 1, yaml, "/", "/runs/1", false)));
        Assert.DoesNotContain("\\u", json);
    }

    [Fact]
    public void A_property_that_computes_does_not_travel()
    {
        foreach (var type in Samples.MessageTypes)
        {
            var members = type.GetConstructors().OrderByDescending(constructor => constructor.GetParameters().Length).First().GetParameters().Length;
            Assert.Equal(members, type.GetProperties(System.Reflection.BindingFlags.Public | System.Reflection.BindingFlags.Instance).Length);
        }
    }

    private int Size(IProtocolMessage message) => _serializer.ToBinary(message).Length;

    private void Refused(byte[] bytes, string manifest) => Assert.Throws<SerializationException>(() => _serializer.FromBinary(bytes, manifest));

    private static IEnumerable<string> Members(IProtocolMessage message) => message.GetType().GetProperties().Select(property => $"{property.Name} {property.PropertyType}").Order();
}
