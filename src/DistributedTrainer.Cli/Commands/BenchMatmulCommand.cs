using System.CommandLine;
using System.Globalization;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain bench matmul</c>: the three matrix products of a linear layer.</summary>
internal static class BenchMatmulCommand
{
    private const string DefaultSizes = "128x784x512,256x1024x1024,1024x1024x1024,64x784x128";
    private const int MostThreads = 1024;

    public static Command Create()
    {
        var sizes = new Option<string>("--sizes") { Description = "Sizes MxKxN with commas between them: M rows, K inputs, N outputs.", HelpName = "MxKxN,…", DefaultValueFactory = static _ => DefaultSizes };
        var product = new Option<string>("--product") { Description = "xw (forward), dyx (weight gradient), dyw (input gradient), or all.", HelpName = "all|xw|dyx|dyw", DefaultValueFactory = static _ => "all" };
        var threads = new Option<int>("--threads") { Description = "Threads that compute at the same time, each its own product.", DefaultValueFactory = static _ => 1 };
        var repeat = new Option<int>("--repeat") { Description = "Timed windows of each product; the best counts.", DefaultValueFactory = static _ => 10 };
        var json = new Option<bool>("--json") { Description = "Prints the result as JSON, and nothing else, on standard output." };
        var command = new Command(
            "matmul", "Measures the matrix products of a linear layer, and their share of the measured peak. Example: dtrain bench matmul --sizes 128x784x512 --json")
        {
            sizes, product, threads, repeat, json,
        };
        command.SetAction(parsed =>
        {
            var problems = new List<string>();
            var shapes = MatrixShape.ParseList(parsed.GetValue(sizes)!, problems);
            var name = parsed.GetValue(product)!;
            LayerProduct[] products = [.. LayerProduct.All.Where(one => name == "all" || name == one.Name)];
            if (products.Length == 0)
            {
                problems.Add($"--product: '{name}' is none of all, {string.Join(", ", LayerProduct.All.Select(static one => one.Name))}.");
            }

            BenchOptions.AtLeastOne("--threads", parsed.GetValue(threads), MostThreads, problems);
            BenchOptions.AtLeastOne("--repeat", parsed.GetValue(repeat), int.MaxValue, problems);
            if (Problems.Print(problems))
            {
                return ExitCodes.UsageWrong;
            }

            var rates = new MatrixBenchmark(parsed.GetValue(threads), parsed.GetValue(repeat)).Measure(shapes, products);
            if (parsed.GetValue(json))
            {
                Console.Out.WriteLine(JsonText.Of(rates));
            }
            else
            {
                Print(rates, products);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static void Print(IReadOnlyList<MatrixRate> rates, LayerProduct[] products)
    {
        string[][] rows =
        [
            .. from rate in rates
               from one in rate.Products
               select (string[])
               [
                   rate.Size, products.Single(product => product.Name == one.Product).Text,
                   one.Gflops.ToString("0.0", CultureInfo.InvariantCulture), one.PeakShare.ToString("0.0%", CultureInfo.InvariantCulture),
               ],
        ];
        Tables.Print(["size", "product", "GFLOP/s", "of the peak"], rows);
        Console.WriteLine(FormattableString.Invariant($"The measured multiply-add peak of one core is {rates[0].PeakGflops:0.0} GFLOP/s; threads: {rates[0].Threads}."));
    }
}
