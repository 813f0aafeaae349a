using System.CommandLine;
using System.Net.Sockets;
using DistributedTrainer.Channels;
using DistributedTrainer.Cli.Benchmarks;
using DistributedTrainer.Cli.Views;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain bench channel</c>: the data plane between two processes of this machine.</summary>
internal static class BenchChannelCommand
{
    private const int MostBytes = 1 << 30;

    public static Command Create()
    {
        var bytes = new Option<int>("--bytes") { Description = "Bytes of a payload.", DefaultValueFactory = static _ => 8 << 20 };
        var transport = new Option<string>("--transport") { Description = $"One of {string.Join(", ", TransportSelector.Names)}. in-process: two ends in one process.", HelpName = "NAME", DefaultValueFactory = static _ => "auto" };
        var repeat = new Option<int>("--repeat") { Description = "Timed windows of each figure; the best counts.", DefaultValueFactory = static _ => 5 };
        var json = new Option<bool>("--json") { Description = "Prints the result as JSON, and nothing else, on standard output." };
        var tls = new Option<string?>("--tls") { Description = "Encrypts TCP, with the ca.crt, node.crt and node.key of this folder. For --transport tcp.", HelpName = "DIR" };
        var answer = new Option<bool>("--answer") { Hidden = true };
        var command = new Command(
            "channel", "Measures rate and round trip of the data plane between two processes, beside the bare medium. Example: dtrain bench channel --transport unix --bytes 8388608")
        {
            bytes, transport, repeat, json, tls, answer,
        };
        command.SetAction(async (parsed, _) =>
        {
            if (!TlsOption.Load(parsed.GetValue(tls), out var certificates))
            {
                return ExitCodes.UsageWrong;
            }

            if (parsed.GetValue(answer))
            {
                return Answer(certificates);
            }

            var problems = new List<string>();
            BenchOptions.AtLeastOne("--bytes", parsed.GetValue(bytes), MostBytes, problems);
            BenchOptions.AtLeastOne("--repeat", parsed.GetValue(repeat), int.MaxValue, problems);
            BenchOptions.Transport(parsed.GetValue(transport)!, problems);
            if (certificates is not null && parsed.GetValue(transport) != "tcp")
            {
                problems.Add("--tls: only TCP is encrypted. Write --transport tcp.");
            }

            return Problems.Print(problems)
                ? ExitCodes.UsageWrong
                : await Run(new ChannelBenchmark(parsed.GetValue(transport)!, parsed.GetValue(bytes), parsed.GetValue(repeat), Console.Error.WriteLine, certificates), parsed.GetValue(json));
        });
        return command;
    }

    private static async Task<int> Run(ChannelBenchmark benchmark, bool json)
    {
        try
        {
            var rate = await benchmark.Run();
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
        catch (InvalidOperationException problem)
        {
            Console.Error.WriteLine($"bench channel: {problem.Message}");
            return ExitCodes.UsageWrong;
        }
        catch (Exception problem) when (problem is BenchmarkFailedException or ChannelClosedException or SocketException)
        {
            Console.Error.WriteLine($"bench channel: {problem.Message}");
            return ExitCodes.TrainingFailed;
        }
    }

    /// <summary>The other process: answers until its launcher closes its standard input, or dies.</summary>
    private static int Answer(NodeCertificates? certificates)
    {
        using var peer = new ChannelPeer(Console.Error.WriteLine, certificates);
        Console.Out.WriteLine(peer.Line);
        while (Console.In.Read() >= 0)
        {
        }

        return ExitCodes.Done;
    }

    private static void Print(ChannelRate rate)
    {
        Tables.Print(["", "MB/s", "round trip, µs"],
        [
            [$"channel over {rate.Transport}", Text($"{rate.MegabytesPerSecond:#,0}"), Text($"{rate.RoundTripMicroseconds:0.0}")],
            [$"bare {rate.Bare}", Text($"{rate.BareMegabytesPerSecond:#,0}"), Text($"{rate.BareRoundTripMicroseconds:0.0}")],
            ["ratio", Text($"{rate.RateShare:0.00}"), Text($"{rate.RoundTripRatio:0.00}")],
        ]);
        Console.WriteLine(Text($"Payloads of {rate.Bytes:#,0} bytes; memory is copied at {rate.MemoryCopyMegabytesPerSecond:#,0} MB/s."));
        if (rate.Lent is { } lent)
        {
            Console.WriteLine(Text($"Lent, and read in place: {lent.MegabytesPerSecond:#,0} MB/s, {lent.CopyShare:0.00} of copying memory."));
        }

        if (rate.Attended is { } attended)
        {
            Console.WriteLine(Text($"Round trip where the asking thread stays awake: {attended.RoundTripMicroseconds:0.0} µs; of two bare threads {attended.BareRoundTripMicroseconds:0.0} µs, ratio {attended.RoundTripRatio:0.00}."));
        }
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
