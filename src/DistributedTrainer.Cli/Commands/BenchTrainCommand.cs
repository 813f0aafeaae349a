using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain bench train</c>: whole training steps of a cluster on this machine.</summary>
internal static class BenchTrainCommand
{
    private const string DefaultLayers = "784-512-256-10";

    public static Command Create()
    {
        var layers = new Option<string?>("--layers") { Description = $"Widths: inputs, hidden layers with ReLU, classes. Default: {DefaultLayers}.", HelpName = "784-512-10" };
        var batchNorm = new Option<bool>("--batch-norm") { Description = "Batch normalisation over the global batch before each ReLU." };
        var localNorm = new Option<bool>("--local-norm") { Description = "With --batch-norm: over the rows of each leaf alone, so that workers exchange nothing within a step." };
        var cnn = new Option<bool>("--cnn") { Description = "Instead of --layers: a small convolutional network with batch normalisation and pooling, on 28x28 images." };
        var batch = Number("--batch", "Rows of each worker in a step.", 128);
        var workers = Number("--workers", "Workers; the data is cut into as many shards, or --leaves.", 2);
        var perNode = Number("--workers-per-node", "Threads of each worker node, which share its parameters; --batch holds for each of them.", 1);
        var servers = Number("--servers", "Server nodes.", 1);
        var partitions = new Option<int?>("--partitions") { Description = "Parts that the parameters are cut into. Default: as many as servers." };
        var leaves = new Option<int?>("--leaves") { Description = "Parts that a step's rows are cut into, over all workers. Default: one a worker, or a thread." };
        var optimizer = new Option<string>("--optimizer") { Description = "The update rule, with its defaults.", HelpName = "KIND", DefaultValueFactory = static _ => "adam" };
        var transport = new Option<string>("--transport") { Description = "What carries gradients and parameters.", HelpName = "NAME", DefaultValueFactory = static _ => "auto" };
        var overlap = new Option<string>("--overlap") { Description = "Whether they travel while a step is computed: auto, always or never. Needs several partitions.", HelpName = "WHEN", DefaultValueFactory = static _ => "auto" };
        var steps = Number("--steps", "Steps of a timed window.", 200);
        var repeat = Number("--repeat", "Timed windows; the best counts.", 5);
        var rows = Number("--rows", "Rows of the data that is made.", 60_000);
        var data = new Option<string?>("--data") { Description = "Trains on this folder of IDX files instead of rows that are made.", HelpName = "FOLDER" };
        var inProcess = new Option<bool>("--in-process") { Description = "Everything as threads of this one process." };
        var directory = new Option<string?>("--dir") { Description = "Keeps the run in this folder.", HelpName = "DIR" };
        var tls = new TlsOption();
        var json = new Option<bool>("--json") { Description = "Prints the result as JSON, and nothing else, on standard output." };
        var command = new Command(
            "train", "Measures training on a cluster of processes of this machine, after a warm-up. Example: dtrain bench train --layers 784-512-256-10 --workers 2 --json")
        {
            layers, batchNorm, localNorm, cnn, batch, workers, perNode, servers, partitions, leaves, optimizer, transport, overlap, steps, repeat, rows, data, inProcess, directory, json,
        };
        tls.AddTo(command);
        command.SetAction(async (parsed, _) =>
        {
            if (!tls.ReadLocal(parsed, out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            var problems = new List<string>();
            if (parsed.GetValue(cnn) && (parsed.GetValue(layers) is not null || parsed.GetValue(batchNorm)))
            {
                problems.Add("--cnn is a network of its own: leave --layers and --batch-norm out.");
            }

            if (parsed.GetValue(localNorm) && !parsed.GetValue(batchNorm))
            {
                problems.Add("--local-norm says how --batch-norm works: give both.");
            }

            var network = parsed.GetValue(cnn)
                ? BenchNetwork.Convolutional()
                : BenchNetwork.Perceptron(parsed.GetValue(layers) ?? DefaultLayers, parsed.GetValue(batchNorm), problems, parsed.GetValue(localNorm));
            var settings = new TrainSettings
            {
                Network = network ?? BenchNetwork.Convolutional(),
                Batch = parsed.GetValue(batch),
                Workers = parsed.GetValue(workers),
                WorkersPerNode = parsed.GetValue(perNode),
                Certificates = certificates,
                Servers = parsed.GetValue(servers),
                Partitions = parsed.GetValue(partitions),
                Leaves = parsed.GetValue(leaves),
                Optimizer = parsed.GetValue(optimizer)!,
                Transport = parsed.GetValue(transport)!,
                Overlap = parsed.GetValue(overlap)!,
                Steps = parsed.GetValue(steps),
                Repeat = parsed.GetValue(repeat),
                Rows = parsed.GetValue(rows),
                DataFolder = parsed.GetValue(data) is { } folder ? Path.GetFullPath(folder) : null,
                InProcess = parsed.GetValue(inProcess),
            };
            problems.AddRange(settings.Problems());
            if (parsed.GetValue(directory) is { } kept && File.Exists(Path.Combine(kept, "result.json")))
            {
                problems.Add($"--dir: {kept} holds the result of another run. Choose another folder.");
            }

            return Problems.Print(problems) ? ExitCodes.UsageWrong : await Run(settings, parsed.GetValue(directory), parsed.GetValue(json));
        });
        return command;
    }

    private static Option<int> Number(string name, string description, int fallback) =>
        new(name) { Description = description, DefaultValueFactory = _ => fallback };

    private static async Task<int> Run(TrainSettings settings, string? directory, bool json)
    {
        using var stop = new CancellationTokenSource();
        void Interrupt(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        try
        {
            var rate = await new TrainBenchmark(settings, Console.Error.WriteLine, stop.Token).Run(directory);
            if (json)
            {
                Console.Out.WriteLine(JsonText.Of(rate));
            }
            else
            {
                Print(rate);
            }

            return ExitCodes.Done;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Ended by you.");
            return ExitCodes.TrainingFailed;
        }
        catch (Exception problem) when (problem is BenchmarkFailedException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"bench train: {problem.Message}");
            return ExitCodes.TrainingFailed;
        }
    }

    private static void Print(TrainRate rate)
    {
        Tables.Print(["measured", ""],
        [
            ["network", $"{rate.Layers}, {rate.Parameters.ToString("#,0", CultureInfo.InvariantCulture)} parameters"],
            ["workers", Text($"{rate.Workers}{(rate.WorkersPerNode > 1 ? $" with {rate.WorkersPerNode} threads each" : "")}, {rate.Batch} rows each a step; servers {rate.Servers}; {rate.Optimizer}; {rate.Transport}")],
            ["samples per second", Text($"{rate.SamplesPerSecond:#,0} (median {rate.MedianSamplesPerSecond:#,0})")],
            ["steps per second", Text($"{rate.StepsPerSecond:#,0.0}")],
            ["of the peak", Text($"{rate.PeakShare:0.0%} (one core: {rate.PeakGflops:0.0} GFLOP/s)")],
            ["bytes a step", Text($"{rate.BytesPerStep:#,0} on the data plane")],
            ["memory", string.Join(", ", rate.Memory.Select(static node => Text($"{node.Role} {node.OwnMegabytes:#,0} MB and {node.FileMegabytes:#,0} MB of files")))],
            ["allocated a step", Text($"{rate.AllocatedBytesPerStep:#,0} bytes by a worker, {rate.ServerAllocatedBytesPerStep:#,0} by the server")],
        ]);
        Console.WriteLine();
        Tables.Print(["worker", "computing", "pushing", "waiting", "copying"],
            [.. rate.Shares.Select(static share => (string[])[share.Worker, Text($"{share.Computing:0.0%}"), Text($"{share.Pushing:0.0%}"), Text($"{share.Waiting:0.0%}"), Text($"{share.Copying:0.0%}")])]);
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
