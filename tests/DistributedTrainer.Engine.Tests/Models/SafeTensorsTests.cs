using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CsCheck;
using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Engine.Tests.Support;

namespace DistributedTrainer.Engine.Tests.Models;

/// <summary>Writing, reading back, and refusing what is damaged.</summary>
public sealed class SafeTensorsTests
{
    private static readonly NamedTensor[] Tensors =
    [
        new("0.weight", new Shape(2, 3), Numbers.Special.AsMemory(0, 6)),
        new("0.bias", new Shape(2), Numbers.Special.AsMemory(6, 2)),
        new("empty", new Shape(0, 7), ReadOnlyMemory<float>.Empty),
        new("scalar", new Shape(), Numbers.Special.AsMemory(8, 1)),
        new("ünï \"x\"", new Shape(1, 1, 1, 2), Numbers.Special.AsMemory(10, 2)),
    ];

    private static readonly Dictionary<string, string> Metadata = new() { ["format"] = "pt", ["step"] = "12", ["ß"] = "" };

    [Fact]
    public void What_is_written_is_read_back_bit_by_bit()
    {
        var (file, _) = Write(Tensors);
        var (tensors, metadata) = SafeTensors.Read(file);
        Assert.Equal(Metadata, metadata);
        Assert.Equal(Tensors.Select(static tensor => (tensor.Name, tensor.Shape)), tensors.Select(static tensor => (tensor.Name, tensor.Shape)));
        for (var i = 0; i < Tensors.Length; i++)
        {
            Assert.Equal(
                Array.ConvertAll(Tensors[i].Values.ToArray(), BitConverter.SingleToInt32Bits),
                Array.ConvertAll(tensors[i].Values.ToArray(), BitConverter.SingleToInt32Bits));
        }
    }

    [Fact]
    public void The_data_begin_at_a_multiple_of_eight_and_their_hash_is_returned()
    {
        for (var length = 1; length <= 9; length++)
        {
            var (file, hash) = Write([new(new string('n', length), new Shape(3), new float[] { 1, 2, 3 })]);
            var header = (int)BinaryPrimitives.ReadInt64LittleEndian(file);
            Assert.Equal(0, header % 8);
            Assert.Equal((byte)'{', file[8]);
            Assert.Equal(12, file.Length - 8 - header);
            Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(file.AsSpan(8 + header))), hash);
        }
    }

    [Fact]
    public void A_file_of_another_writer_may_order_its_tensors_as_it_likes()
    {
        var (tensors, metadata) = SafeTensors.Read(File("""{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 8));
        Assert.Equal(["b", "a"], tensors.Select(static tensor => tensor.Name));
        Assert.Empty(metadata);
    }

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        var (file, _) = Write(Tensors);
        for (var length = 0; length < file.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => SafeTensors.Read(file[..length]));
        }
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("17")]
    [InlineData("{")]
    [InlineData("""{"a":17}""")]
    [InlineData("""{"a":{}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,"8"]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8.5]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1,1,1,1,2],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[65536,65536],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4294967298],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":null,"shape":[2],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":5,"shape":[2],"data_offsets":[0,8]}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":5}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"x":5}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"x":"1","x":"2"}}""")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""")] // overlap
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""")] // the same name
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""")] // a hole
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""")] // bytes that belong to nobody
    public void A_damaged_header_is_refused(string header) => Assert.Throws<InvalidDataException>(() => SafeTensors.Read(File(header, 8)));

    [Fact]
    public void Impossible_header_lengths_are_refused()
    {
        var (file, _) = Write(Tensors);
        foreach (var length in (long[])[-1, 0, 1, file.Length - 7, file.Length, int.MaxValue, 1L << 32, long.MaxValue, long.MinValue])
        {
            byte[] damaged = [.. file];
            BinaryPrimitives.WriteInt64LittleEndian(damaged, length);
            Assert.Throws<InvalidDataException>(() => SafeTensors.Read(damaged));
        }
    }

    [Fact]
    public void A_header_with_random_bytes_changed_is_read_or_refused_but_never_worse()
    {
        var (file, _) = Write(Tensors);
        var header = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(file);
        Gen.Select(Gen.Int[0, header - 1], Gen.Byte).Array[1, 4].SampleSeeded(
            changes =>
            {
                byte[] damaged = [.. file];
                foreach (var (at, value) in changes)
                {
                    damaged[at] = value;
                }

                try
                {
                    var (tensors, _) = SafeTensors.Read(damaged);
                    return tensors.Sum(static tensor => tensor.Values.Length) <= file.Length / sizeof(float);
                }
                catch (InvalidDataException)
                {
                    return true;
                }
            },
            seed: "0000KOIPe893", iter: 20_000);
    }

    [Fact]
    public void A_small_file_cannot_claim_much_memory()
    {
        // 2000 names for the same 256 KB would be 512 MB.
        var entries = Enumerable.Range(0, 2000).Select(static i => $$"""
            "{{i}}":{"dtype":"F32","shape":[65536],"data_offsets":[0,262144]}
            """);
        var file = File("{" + string.Join(',', entries) + "}", 262144);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<InvalidDataException>(() => SafeTensors.Read(file));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 8 << 20);
    }

    [Fact]
    public void What_could_not_be_read_is_not_written()
    {
        Assert.Throws<ArgumentException>(static () => Write([new("a", new Shape(3), new float[2])]));
        Assert.Throws<ArgumentException>(static () => Write([new("a", new Shape(1), new float[1]), new("a", new Shape(1), new float[1])]));
        Assert.Throws<ArgumentException>(static () => Write([new("__metadata__", new Shape(1), new float[1])]));
    }

    private static (byte[] File, string Hash) Write(NamedTensor[] tensors)
    {
        using var stream = new MemoryStream();
        var hash = SafeTensors.Write(stream, tensors, Metadata);
        return (stream.ToArray(), hash);
    }

    private static byte[] File(string header, int dataBytes)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, json.Length);
        json.CopyTo(file, 8);
        return file;
    }
}
