using SkiaSharp;

namespace DistributedTrainer.Data.Tests;

[Collection("the cache's folder")]
public sealed class ImageFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private void Image(string path, int height, int width, Func<int, int, SKColor> colour, SKEncodedImageFormat format = SKEncodedImageFormat.Png)
    {
        var file = Path.Combine(_folder.Path, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul));
        for (var i = 0; i < height * width; i++)
        {
            bitmap.SetPixel(i % width, i / width, colour(i / width, i % width));
        }

        using var stream = File.Create(file);
        bitmap.Encode(stream, format, 100);
    }

    private Dataset Good(DataSources? sources = null)
    {
        var problems = new List<string>();
        var dataset = DatasetReader.Read(sources ?? new DataSources(_folder.Path), "", problems);
        Assert.Empty(problems);
        return dataset!;
    }

    private string Problem(DataSources? sources = null)
    {
        var problems = new List<string>();
        Assert.Null(DatasetReader.Read(sources ?? new DataSources(_folder.Path), "", problems));
        return Assert.Single(problems);
    }

    [Fact]
    public void Folders_are_classes_and_pixels_are_channel_by_channel()
    {
        Image("cat/1.png", 2, 3, static (y, x) => new SKColor((byte)((10 * y) + x), 100, 200));
        Image("dog/1.png", 2, 3, static (_, _) => new SKColor(1, 2, 3));
        Image("dog/0.png", 2, 3, static (_, _) => new SKColor(255, 255, 255, 0));
        var dataset = Good();

        Assert.Equal("3x2x3", dataset.InputShape.ToString());
        Assert.Equal(["cat", "dog"], dataset.ClassNames);
        Assert.Equal([0, 1, 1], dataset.Labels);
        Assert.Equal([0f, 1, 2, 10, 11, 12, 100, 100, 100, 100, 100, 100, 200, 200, 200, 200, 200, 200], Tables.Row(dataset, 0));
        Assert.All(Tables.Row(dataset, 1), static value => Assert.Equal(0, value));
        Assert.True(dataset.Features.IsBytes);
    }

    [Fact]
    public void Parts_are_split_as_their_folders_say_and_images_come_to_one_size()
    {
        Image("train/a/1.png", 4, 4, static (y, _) => y < 2 ? SKColors.White : SKColors.Black);
        Image("train/b/1.jpg", 2, 2, static (_, _) => SKColors.White, SKEncodedImageFormat.Jpeg);
        Image("test/b/1.png", 2, 6, static (_, x) => x % 3 == 0 ? SKColors.White : SKColors.Black);
        var dataset = Good(new DataSources(_folder.Path) { Image = (1, 2, 2) });

        Assert.Equal((2, 0, 1), (dataset.TrainingRows, dataset.ValidationRows, dataset.TestRows));
        Assert.Equal([255f, 255, 0, 0], Tables.Row(dataset, 0));
        Assert.Equal([255f, 255, 255, 255], Tables.Row(dataset, 1));

        // A third of each new pixel's area is white, counted in sixteenths.
        Assert.All(Tables.Row(dataset, 2), static value => Assert.InRange(value, 80, 100));
        Assert.Contains("Write data.image: [3, 4, 4] to bring all to one size", Problem());
    }

    [Fact]
    public void Mapped_images_are_the_same_rows()
    {
        for (var i = 0; i < 6; i++)
        {
            Image($"{i % 2}/{i}.png", 3, 3, (y, x) => new SKColor((byte)(i * y), (byte)x, 9));
        }

        var cache = Environment.GetEnvironmentVariable("DTRAIN_CACHE");
        using var folder = new TemporaryFolder();
        Environment.SetEnvironmentVariable("DTRAIN_CACHE", folder.Path);
        try
        {
            var held = Good();
            foreach (var mapped in (Dataset[])[Good(new DataSources(_folder.Path) { HeldBytes = 0 }), Good(new DataSources(_folder.Path) { HeldBytes = 0 })])
            {
                Assert.True(mapped.Features.IsMapped);
                Assert.Equal(held.Sha256, mapped.Sha256);
                Assert.All(Enumerable.Range(0, 6), row => Assert.Equal(Tables.Row(held, row), Tables.Row(mapped, row)));
            }
        }
        finally
        {
            Environment.SetEnvironmentVariable("DTRAIN_CACHE", cache);
        }
    }

    [Fact]
    public void What_is_wrong_is_named()
    {
        Image("train/a/1.png", 2, 2, static (_, _) => SKColors.Red);
        Image("test/c/1.png", 2, 2, static (_, _) => SKColors.Red);
        Assert.Contains("the class 'c' has no training images", Problem());

        Directory.Delete(Path.Combine(_folder.Path, "test"), recursive: true);
        _folder.Write("train/a/2.png", "no image");
        Assert.Contains("2.png: this is no PNG or JPEG image", Problem());
        File.Delete(Path.Combine(_folder.Path, "train", "a", "2.png"));
        _folder.Write("train/a/notes.txt", "");
        Assert.Contains("notes.txt: among the images of a class only", Problem());
        Assert.Contains("Remove data.target", Problem(new DataSources(_folder.Path) { Target = "label" }));
    }
}
