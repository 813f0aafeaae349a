using System.Runtime.InteropServices;
using System.Text;

namespace DistributedTrainer.Cli.Exporting;

/// <summary>Kinds of elements, with their numbers in ONNX files.</summary>
internal enum OnnxType
{
    Float = 1,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Double = 11,
}

/// <summary>
/// An ONNX model under construction: nodes that take and give named tensors. The numbers of messages' fields are those of
/// onnx.proto, version 1.16 of ONNX (operators 20, file format 9), which ONNX Runtime reads from version 1.17 on.
/// </summary>
internal sealed class OnnxGraph
{
    private const int FileFormat = 9;
    private const int Operators = 20;

    private readonly ProtoMessage _graph = new ProtoMessage().Add(2, "dtrain");
    private readonly List<KeyValuePair<string, string>> _notes = [];
    private int _names;

    /// <summary>Adds an input with rows of so many columns.</summary>
    public string Input(string name, OnnxType type, int columns)
    {
        _graph.Add(11, ValueInfo(name, type, columns));
        return name;
    }

    /// <summary>Gives a tensor a name among the outputs.</summary>
    /// <param name="tensor">What is given.</param>
    /// <param name="name">Its name outside.</param>
    /// <param name="type">Its elements.</param>
    /// <param name="columns">Of a row; null: a row is one value.</param>
    public void Output(string tensor, string name, OnnxType type, int? columns)
    {
        _graph.Add(1, NodeOf("Identity", [tensor], name, []));
        _graph.Add(12, ValueInfo(name, type, columns));
    }

    /// <summary>A text in the model's metadata.</summary>
    public void Note(string key, string value) => _notes.Add(KeyValuePair.Create(key, value));

    /// <summary>Adds an operation with one output.</summary>
    /// <returns>The output's name.</returns>
    public string Node(string operation, string[] inputs, params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        var output = $"{operation.ToLowerInvariant()}_{_names++}";
        _graph.Add(1, NodeOf(operation, inputs, output, attributes));
        return output;
    }

    public string Constant(ReadOnlySpan<float> values, params ReadOnlySpan<int> shape) => Constant(OnnxType.Float, MemoryMarshal.AsBytes(values).ToArray(), shape);

    public string Constant(ReadOnlySpan<double> values, params ReadOnlySpan<int> shape) => Constant(OnnxType.Double, MemoryMarshal.AsBytes(values).ToArray(), shape);

    public string Constant(ReadOnlySpan<long> values, params ReadOnlySpan<int> shape) => Constant(OnnxType.Int64, MemoryMarshal.AsBytes(values).ToArray(), shape);

    public string Constant(IReadOnlyList<string> values, params ReadOnlySpan<int> shape)
    {
        var tensor = Tensor(OnnxType.String, shape);
        foreach (var value in values)
        {
            tensor.Add(6, Encoding.UTF8.GetBytes(value));
        }

        return Named(tensor);
    }

    /// <summary>The file.</summary>
    public byte[] ToArray()
    {
        var model = new ProtoMessage().Add(1, FileFormat).Add(2, "dtrain").Add(7, _graph).Add(8, new ProtoMessage().Add(1, "").Add(2, Operators));
        foreach (var (key, value) in _notes)
        {
            model.Add(14, new ProtoMessage().Add(1, key).Add(2, value));
        }

        return model.ToArray();
    }

    private string Constant(OnnxType type, byte[] bytes, ReadOnlySpan<int> shape)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("onnx: tensors are written in the order of bytes of this machine, which must be little-endian.");
        }

        return Named(Tensor(type, shape).Add(9, bytes));
    }

    private string Named(ProtoMessage tensor)
    {
        var name = $"constant_{_names++}";
        _graph.Add(5, tensor.Add(8, name));
        return name;
    }

    private static ProtoMessage Tensor(OnnxType type, ReadOnlySpan<int> shape)
    {
        var tensor = new ProtoMessage();
        foreach (var size in shape)
        {
            tensor.Add(1, size);
        }

        return tensor.Add(2, (long)type);
    }

    private static ProtoMessage NodeOf(string operation, string[] inputs, string output, ReadOnlySpan<(string Name, object Value)> attributes)
    {
        var node = new ProtoMessage();
        foreach (var input in inputs)
        {
            node.Add(1, input);
        }

        node.Add(2, output).Add(3, output).Add(4, operation);
        foreach (var (name, value) in attributes)
        {
            node.Add(5, AttributeOf(name, value));
        }

        return node;
    }

    private static ProtoMessage AttributeOf(string name, object value)
    {
        var attribute = new ProtoMessage().Add(1, name);
        switch (value)
        {
            case float number:
                return attribute.Add(2, number).Add(20, 1);
            case int number:
                return attribute.Add(3, number).Add(20, 2);
            case int[] numbers:
                foreach (var number in numbers)
                {
                    attribute.Add(8, number);
                }

                return attribute.Add(20, 7);
            default:
                throw new ArgumentException($"onnx: an attribute of type {value.GetType().Name} cannot be written.");
        }
    }

    private static ProtoMessage ValueInfo(string name, OnnxType type, int? columns)
    {
        var shape = new ProtoMessage().Add(1, new ProtoMessage().Add(2, "rows"));
        if (columns is { } size)
        {
            shape.Add(1, new ProtoMessage().Add(1, size));
        }

        var tensor = new ProtoMessage().Add(1, (long)type).Add(2, shape);
        return new ProtoMessage().Add(1, name).Add(2, new ProtoMessage().Add(1, tensor));
    }
}
