using DistributedTrainer.Engine.Models;
using DistributedTrainer.Engine.Tensors;
using DistributedTrainer.Tests.Shared;

namespace DistributedTrainer.Engine.Tests;

public sealed class SafeTensorsFuzzTests
{
    [Fact]
    public void Damaged_files_are_read_or_refused_and_take_no_more_memory_than_they_are_large()
    {
        byte[] Sample(params NamedTensor[] tensors)
        {
            using var stream = new MemoryStream();
            SafeTensors.Write(stream, tensors, new Dictionary<string, string> { ["format"] = "pt", ["note"] = "größe" });
            return stream.ToArray();
        }

        NamedTensor Tensor(string name, params int[] sizes)
        {
            var shape = new Shape(sizes);
            return new NamedTensor(name, shape, Enumerable.Range(0, shape.Elements).Select(static i => i / 3f).ToArray());
        }

        var (read, refused) = Fuzz.Run(
            20_260_301, 4000, [Sample(Tensor("0.weight", 4, 3), Tensor("0.bias", 4)), Sample(), Sample(Tensor("a", 2, 1, 3, 3), Tensor("b", 1), Tensor("c", 7))],
            factor: 200, free: 64 << 10, static bytes => SafeTensors.Read(bytes), static problem => problem is InvalidDataException);
        Assert.InRange(read, 100, 3000);
        Assert.InRange(refused, 1000, 3900);
    }
}
