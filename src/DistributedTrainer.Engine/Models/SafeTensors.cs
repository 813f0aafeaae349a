using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Engine.Models;

/// <summary>One named float32 array of a safetensors file.</summary>
public sealed record NamedTensor(string Name, Shape Shape, ReadOnlyMemory<float> Values);

/// <summary>Reads and writes the safetensors format (float32, little endian), which PyTorch loads as it is.</summary>
public static class SafeTensors
{
    private const int MaximumHeaderBytes = 100 << 20;

    /// <summary>Writes tensors in the given order.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="tensors">What.</param>
    /// <param name="metadata">Text beside it, under "__metadata__".</param>
    /// <returns>SHA-256 of the data section, in lower-case hexadecimal.</returns>
    /// <exception cref="ArgumentException">Two tensors have one name, or a tensor has not the elements of its shape.</exception>
    public static string Write(Stream stream, IReadOnlyList<NamedTensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var header = new JsonObject { ["__metadata__"] = new JsonObject(metadata.Select(static pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))) };
        var offset = 0L;
        foreach (var tensor in tensors)
        {
            if (tensor.Values.Length != tensor.Shape.Elements)
            {
                throw new ArgumentException($"safetensors: {tensor.Name} of shape {tensor.Shape} has {tensor.Values.Length} elements.", nameof(tensors));
            }

            if (header.ContainsKey(tensor.Name))
            {
                throw new ArgumentException($"safetensors: the name {tensor.Name} is taken. Give each tensor its own.", nameof(tensors));
            }

            var end = offset + ((long)tensor.Values.Length * sizeof(float));
            var shape = new JsonArray();
            for (var i = 0; i < tensor.Shape.Rank; i++)
            {
                shape.Add(tensor.Shape[i]);
            }

            header[tensor.Name] = new JsonObject { ["dtype"] = "F32", ["shape"] = shape, ["data_offsets"] = new JsonArray(offset, end) };
            offset = end;
        }

        var json = JsonSerializer.SerializeToUtf8Bytes(header);
        Span<byte> length = stackalloc byte[8];

        // Spaces after the JSON bring the data section to a multiple of 8, as the format asks.
        BinaryPrimitives.WriteInt64LittleEndian(length, (json.Length + 7) / 8 * 8);
        stream.Write(length);
        stream.Write(json);
        stream.Write("       "u8[..((8 - (json.Length % 8)) % 8)]);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in tensors)
        {
            var bytes = MemoryMarshal.AsBytes(tensor.Values.Span);
            stream.Write(bytes);
            hash.AppendData(bytes);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Reads all tensors.</summary>
    /// <exception cref="InvalidDataException">Not a safetensors file, or not all of it, or not float32.</exception>
    public static (IReadOnlyList<NamedTensor> Tensors, IReadOnlyDictionary<string, string> Metadata) Read(byte[] file)
    {
        if (file.Length < 8)
        {
            throw new InvalidDataException($"safetensors: the file has {file.Length} bytes, fewer than the 8 of its header's length.");
        }

        var length = BinaryPrimitives.ReadInt64LittleEndian(file);
        if (length < 2 || length > Math.Min(MaximumHeaderBytes, file.Length - 8))
        {
            throw new InvalidDataException($"safetensors: a header of {length} bytes is impossible in a file of {file.Length}. Is it a safetensors file?");
        }

        try
        {
            using var header = JsonDocument.Parse(file.AsMemory(8, (int)length));
            var places = new List<Place>();
            var metadata = new Dictionary<string, string>();
            foreach (var entry in header.RootElement.EnumerateObject())
            {
                if (entry.Name == "__metadata__")
                {
                    foreach (var pair in entry.Value.EnumerateObject())
                    {
                        metadata.Add(pair.Name, pair.Value.GetString() ?? "");
                    }

                    continue;
                }

                places.Add(ReadPlace(entry));
            }

            // Before any copy: overlapping tensors would make a small file claim any amount of memory.
            CheckPlaces(places, file.Length - 8 - length);
            return ([.. places.Select(place => place.Read(file.AsSpan(8 + (int)length)))], metadata);
        }
        catch (Exception problem) when (problem is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or ArgumentException or OverflowException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"safetensors: the header is damaged: {problem.Message}", problem);
        }
    }

    private static Place ReadPlace(JsonProperty entry)
    {
        var type = entry.Value.GetProperty("dtype").GetString();
        if (type != "F32")
        {
            throw new InvalidDataException($"safetensors: {entry.Name} has type {type}; only F32 is read.");
        }

        var shape = new Shape([.. entry.Value.GetProperty("shape").EnumerateArray().Select(static size => size.GetInt32())]);
        var offsets = entry.Value.GetProperty("data_offsets");
        var place = new Place(entry.Name, shape, offsets[0].GetInt64(), offsets[1].GetInt64());
        if (place.Start < 0 || place.End < place.Start || place.End - place.Start != (long)shape.Elements * sizeof(float))
        {
            throw new InvalidDataException($"safetensors: {entry.Name} of shape {shape} lies at bytes {place.Start} to {place.End}, which does not fit.");
        }

        return place;
    }

    /// <summary>The format asks that the tensors fill the data section without holes and overlaps.</summary>
    private static void CheckPlaces(List<Place> places, long dataBytes)
    {
        var (at, names) = (0L, new HashSet<string>());
        foreach (var place in places.OrderBy(static place => place.Start).ThenBy(static place => place.End))
        {
            if (place.Start != at || place.End > dataBytes)
            {
                throw new InvalidDataException($"safetensors: {place.Name} lies at bytes {place.Start} to {place.End} of {dataBytes}, the tensors before it end at {at}.");
            }

            if (!names.Add(place.Name))
            {
                throw new InvalidDataException($"safetensors: {place.Name} is there twice.");
            }

            at = place.End;
        }

        if (at != dataBytes)
        {
            throw new InvalidDataException($"safetensors: the tensors end at byte {at} of {dataBytes}. Is the file damaged, or followed by something else?");
        }
    }

    private sealed record Place(string Name, Shape Shape, long Start, long End)
    {
        public NamedTensor Read(ReadOnlySpan<byte> data) => new(Name, Shape, MemoryMarshal.Cast<byte, float>(data[(int)Start..(int)End]).ToArray());
    }
}
