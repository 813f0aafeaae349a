using SkiaSharp;

namespace DistributedTrainer.Data;

/// <summary>
/// One PNG or JPEG as bytes, channel by channel. Grey is (299 red + 587 green + 114 blue) / 1000; what is transparent is
/// black. Another size is reached by taking the mean of the area that each new pixel covers, in whole numbers: the same
/// on every machine.
/// </summary>
internal static class ImageFile
{
    // A new pixel covers so many parts of the old ones along each side.
    private const int Parts = 16;

    public static bool Is(string path) => Path.GetExtension(path).ToLowerInvariant() is ".png" or ".jpg" or ".jpeg";

    /// <summary>Channels (1 where it is grey), height and width.</summary>
    /// <exception cref="InvalidDataException">It is no image.</exception>
    public static (int Channels, int Height, int Width) Size(string path)
    {
        using var codec = SKCodec.Create(path) ?? throw NoImage(path);
        return (codec.Info.ColorType == SKColorType.Gray8 ? 1 : 3, codec.Info.Height, codec.Info.Width);
    }

    /// <summary>Reads the pixels.</summary>
    /// <param name="path">The file.</param>
    /// <param name="size">What is wanted: 1 or 3 channels, height, width.</param>
    /// <param name="into">(channels, height, width)</param>
    /// <returns>Whether the image had that height and width; another one is brought to it.</returns>
    /// <exception cref="InvalidDataException">It is no image.</exception>
    public static bool Read(string path, (int Channels, int Height, int Width) size, Span<byte> into)
    {
        using var codec = SKCodec.Create(path) ?? throw NoImage(path);
        var info = new SKImageInfo(codec.Info.Width, codec.Info.Height, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        using var bitmap = new SKBitmap(info);
        if (codec.GetPixels(info, bitmap.GetPixels()) != SKCodecResult.Success)
        {
            throw NoImage(path);
        }

        var pixels = bitmap.GetPixelSpan();
        var fits = (info.Height, info.Width) == (size.Height, size.Width);
        for (var channel = 0; channel < size.Channels; channel++)
        {
            var plane = into.Slice(channel * size.Height * size.Width, size.Height * size.Width);
            if (fits)
            {
                for (var i = 0; i < plane.Length; i++)
                {
                    plane[i] = (byte)Value(pixels.Slice(i * 4, 4), size.Channels, channel);
                }
            }
            else
            {
                Scale(pixels, info, size, channel, plane);
            }
        }

        return fits;
    }

    private static void Scale(ReadOnlySpan<byte> pixels, SKImageInfo info, (int Channels, int Height, int Width) size, int channel, Span<byte> plane)
    {
        for (var i = 0; i < plane.Length; i++)
        {
            var (y, x, sum) = (i / size.Width, i % size.Width, 0);
            for (var part = 0; part < Parts * Parts; part++)
            {
                var fromY = (int)(((long)(y * Parts) + (part / Parts)) * info.Height / ((long)size.Height * Parts));
                var fromX = (int)(((long)(x * Parts) + (part % Parts)) * info.Width / ((long)size.Width * Parts));
                sum += Value(pixels.Slice(((fromY * info.Width) + fromX) * 4, 4), size.Channels, channel);
            }

            plane[i] = (byte)((sum + (Parts * Parts / 2)) / (Parts * Parts));
        }
    }

    private static int Value(ReadOnlySpan<byte> pixel, int channels, int channel)
    {
        var value = channels == 1 ? ((299 * pixel[0]) + (587 * pixel[1]) + (114 * pixel[2]) + 500) / 1000 : pixel[channel];
        return value * pixel[3] / byte.MaxValue;
    }

    private static InvalidDataException NoImage(string path) => new($"{path}: this is no PNG or JPEG image that can be read. Is it damaged? Replace or remove it.");
}
