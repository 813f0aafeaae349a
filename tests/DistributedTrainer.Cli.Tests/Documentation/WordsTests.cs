using DistributedTrainer.Cli.Commands;
using DistributedTrainer.Experiments;

namespace DistributedTrainer.Cli.Tests.Documentation;

/// <summary>What docs/words.md says to write here is there: verbs, options, keys with their values, layers and steps.</summary>
public sealed class WordsTests
{
    private const string Minimal = "data: { source: digits }\nmodel: { layers: [ linear: 10 ] }\n";

    private static readonly string[] Sections = ["seed", "data", "model", "loss", "optimizer", "training", "cluster", "checkpoint", "tune"];

    // Where a name without a section belongs.
    private static readonly string[] Lists = ["model.layers=[ {0}, linear: 10 ]", "data.preprocess=[ {0} ]"];

    public static TheoryData<string> Words => [.. MarkdownTable.Quoted("words.md", 1)];

    [Theory]
    [MemberData(nameof(Words))]
    public void A_word_is_known(string word)
    {
        if (word.StartsWith("dtrain ", StringComparison.Ordinal))
        {
            var parsed = DtrainCommand.Create().Parse(word["dtrain ".Length..]);
            Assert.Empty(parsed.Errors.Select(static error => error.Message));
            Assert.Empty(word.Split(' ').Where(static part => part.StartsWith("--", StringComparison.Ordinal)).Except(parsed.CommandResult.Command.Options.Select(static option => option.Name)));
        }
        else if (word.StartsWith("--", StringComparison.Ordinal))
        {
            var option = word.Split(' ')[0];
            Assert.True(DtrainCommand.Create().Subcommands.Any(verb => verb.Options.Any(other => other.Name == option)) || Extensions.Option.Name == option, $"no verb has the option {option}.");
        }
        else if (!word.EndsWith(".safetensors", StringComparison.Ordinal) || word.Contains(' ', StringComparison.Ordinal))
        {
            // A key without a value is set to null, its default.
            var (key, value) = word.IndexOf(": ", StringComparison.Ordinal) is >= 0 and var colon ? (word[..colon], word[(colon + 2)..]) : (word, "");
            string[] tried = Sections.Contains(key.Split('.')[0]) ? [$"{key}={value}"] : [.. Lists.Select(list => list.Replace("{0}", word, StringComparison.Ordinal))];
            var problems = tried.Select(static setting => ExperimentReader.Read(Minimal, "words.md", [setting]).Problems).ToArray();
            Assert.True(Array.Exists(problems, static found => found.Count == 0), string.Join('\n', problems.SelectMany(static found => found)));
        }
    }

    [Fact]
    public void A_word_that_is_not_there_is_found()
    {
        foreach (var word in (string[])["dtrain trian x.yaml", "dtrain train --wrong", "--wrong", "training.batchsize", "training.batch-size: many", "optimizer: { kind: adam, momentum: 0.9 }", "batchnorm"])
        {
            Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => A_word_is_known(word));
        }
    }
}
