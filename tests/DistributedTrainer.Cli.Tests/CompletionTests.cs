using System.CommandLine;
using System.Diagnostics;
using DistributedTrainer.Cli.Commands;

namespace DistributedTrainer.Cli.Tests;

/// <summary>What shells are told.</summary>
public sealed class CompletionTests
{
    [Theory]
    [InlineData("dtrain trai", "train")]
    [InlineData("dtrain train --in", "--in-process")]
    [InlineData("dtrain train --set training.ep", "training.epochs=")]
    [InlineData("dtrain resume run --set cluster.place", "cluster.placement=")]
    [InlineData("dtrain tune e.yaml --jo", "--join")]
    [InlineData("dtrain tune e.yaml --para", "--parallel")]
    [InlineData("dtrain train --set training.pa", "training.pause-after=")]
    [InlineData("dtrain completion z", "zsh")]
    [InlineData("dtrain timel", "timeline")]
    [InlineData("dtrain timeline run --fr", "--from")]
    [InlineData("dtrain node --log-format j", "json")]
    [InlineData("dtrain train --set cluster.time", "cluster.timeline=")]
    public void A_line_is_completed(string line, string expected) =>
        Assert.Equal([expected], DtrainCommand.Create().Parse(line["dtrain ".Length..]).GetCompletions(line.Length - "dtrain ".Length).Select(static item => item.Label));

    [Fact]
    public async Task Bash_completes_with_what_is_printed_for_it()
    {
        var script = new StringWriter();
        var configuration = new InvocationConfiguration { Output = script };
        Assert.Equal(0, await DtrainCommand.Create().Parse(["completion", "bash"]).InvokeAsync(configuration));

        // Bash itself, with a dtrain that answers what it was asked.
        using var bash = Process.Start(new ProcessStartInfo("bash", ["--norc"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await bash.StandardInput.WriteLineAsync("dtrain() { printf '%s\\n' \"$1\" \"$2\"; }");
        await bash.StandardInput.WriteLineAsync(script.ToString());
        await bash.StandardInput.WriteLineAsync("COMP_LINE='dtrain train --se' COMP_POINT=17; _dtrain; printf '<%s>' \"${COMPREPLY[@]}\"; complete -p dtrain");
        bash.StandardInput.Close();
        Assert.Equal("<[suggest:17]><dtrain train --se>complete -o default -F _dtrain dtrain\n", await bash.StandardOutput.ReadToEndAsync());
        Assert.Equal("", await bash.StandardError.ReadToEndAsync());
    }
}
