using System.Text;

namespace DistributedTrainer.Experiments.Tests;

/// <summary>Files that are no YAML, or more YAML than an experiment has use for.</summary>
public sealed class YamlTests
{
    [Theory]
    [InlineData("")]
    [InlineData("\n\n# nothing but a comment\n")]
    [InlineData("---\n")]
    [InlineData("null")]
    public void An_empty_file_is_refused(string yaml)
    {
        Assert.Equal(["test.yaml: the file is empty. It needs data and model."], Reads.Problems(yaml));
    }

    [Theory]
    [InlineData("- data\n", "test.yaml:1: a list is all there is")]
    [InlineData("data:digits\nmodel:none\n", "test.yaml:1: 'data:digits model:none' is all there is")]
    public void Anything_but_a_section_of_keys_is_refused(string yaml, string expected)
    {
        Assert.StartsWith(expected, Assert.Single(Reads.Problems(yaml)));
    }

    [Theory]
    [InlineData("data:\n\tsource: digits\n", "test.yaml:2: this is not YAML: the line is indented with a tab. Indent with spaces.")]
    [InlineData("a: 1\nb: [1, 2\nc: 3\n", "test.yaml:2: this is not YAML: a bracket [ or { is never closed.")]
    [InlineData("data: { source: digits\nmodel: 1\n", "test.yaml:1: this is not YAML: a bracket [ or { is never closed.")]
    [InlineData("data: { source: \"C:\\data\\rows.csv\" }\n", "Between double quotes a backslash starts an escape; write single quotes, or / in a path.")]
    [InlineData("a: 1\nloss: cross: entropy\n", "test.yaml:2: this is not YAML: ")]
    [InlineData("a: 'never closed\n", "test.yaml:1: this is not YAML: ")]
    [InlineData("layers:\n  - linear: 1\n    - relu\n", "test.yaml:3: this is not YAML: ")]
    [InlineData("a: @b\n", "test.yaml:1: this is not YAML: ")]
    public void What_is_not_YAML_is_refused_with_its_line_and_a_remedy(string yaml, string expected)
    {
        var problem = Assert.Single(Reads.Problems(yaml));

        Assert.Contains(expected, problem);
        Assert.EndsWith(".", problem);
    }

    [Fact]
    public void An_alias_as_a_key_without_a_value_is_refused()
    {
        Assert.Equal(
            ["test.yaml:2: a list, a section or an alias cannot be a key. Write a word before the colon.", "test.yaml:3: this is not YAML: a value is missing."],
            Reads.Problems("a: &a 1\nb: { c: 1 }*a\n").Select(static problem => problem.Replace(" Look at the indentation, the colons, the quotes and the brackets in this line and the one above.", "", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_second_document_is_refused()
    {
        Assert.Equal(
            ["test.yaml:5: a second document starts here, after ---. Write one experiment to a file."],
            Reads.Problems(Reads.Minimal + "---\n" + Reads.Minimal));
    }

    [Fact]
    public void Keys_given_twice_are_reported_together_with_the_other_problems()
    {
        Assert.Equal(
            [
                "test.yaml:6: training.epochs: 'ten' is not a whole number. Write a whole number, 1 or more.",
                "test.yaml:7: training.epochs: this key is given twice, first in line 6. Remove one of them.",
                "test.yaml:8: data: this key is given twice, first in line 1. Remove one of them.",
            ],
            Reads.Problems(Reads.Minimal + "training:\n  epochs: ten\n  epochs: 20\ndata: { source: iris }\n"));
    }

    [Fact]
    public void Aliases_are_written_out_and_stay_apart()
    {
        const string Yaml = "data: { source: digits }\nmodel:\n  layers:\n    - &hidden { linear: { outputs: 30 } }\n    - relu\n    - *hidden\n    - linear: 10\n";

        Assert.Equal([new LinearOptions(30), new ActivationOptions(ActivationKind.Relu), new LinearOptions(30), new LinearOptions(10)], Reads.Good(Yaml).Model.Layers);
        Assert.Equal(
            [new LinearOptions(30), new ActivationOptions(ActivationKind.Relu), new LinearOptions(7), new LinearOptions(10)],
            Reads.Good(Yaml, "model.layers.2.linear.outputs=7").Model.Layers);
    }

    [Theory]
    [InlineData("seed: *missing\n", "test.yaml:5: seed: there is no &missing above for *missing. Write the value out.")]
    [InlineData("cluster: &c { workers: *c }\n", "test.yaml:5: cluster.workers: *c stands inside of &c itself. Write the value out.")]
    [InlineData("seed: !secret 5\n", "test.yaml:5: seed: the tag !secret means nothing here. Remove it.")]
    [InlineData("cluster: { ? [ workers ] : 2 }\n", "test.yaml:5: cluster: a list, a section or an alias cannot be a key. Write a word before the colon.")]
    [InlineData("cluster: { <<: { workers: 2 } }\n", "test.yaml:5: cluster.<<: there is no such key. Merging is not done here: write the keys out.")]
    public void Uncommon_YAML_is_refused(string line, string expected)
    {
        Assert.Equal(expected, Reads.Problem(line));
    }

    [Fact]
    public void Aliases_that_multiply_are_refused()
    {
        var bomb = new StringBuilder("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for (var i = 1; i < 40; i++)
        {
            bomb.Append($"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat($"*a{i - 1}", 10))}]\n");
        }

        Assert.Contains("more than 100000 values, with aliases written out, are too many.", Assert.Single(Reads.Problems(bomb.ToString())));
    }

    [Theory]
    [InlineData("[", "]")]
    [InlineData("{ a: ", " }")]
    public void Deep_nesting_is_refused(string open, string close)
    {
        var deep = $"seed: {string.Concat(Enumerable.Repeat(open, 50_000))}1{string.Concat(Enumerable.Repeat(close, 50_000))}\n";

        Assert.Contains("more than 64 levels of nesting are too many.", Reads.Problem(deep));
    }

    [Fact]
    public void Huge_files_are_refused()
    {
        Assert.Equal(
            ["test.yaml: 1000001 characters are too many: an experiment has 1000000 at most. Is this the data instead of the experiment?"],
            Reads.Problems(new string('#', 1_000_001)));
        Assert.Contains("more than 100000 values", Assert.Single(Reads.Problems(string.Concat(Enumerable.Repeat("- 1\n", 200_000)))));
    }

    [Fact]
    public void A_long_value_is_shown_in_part()
    {
        var problem = Reads.Problem($"loss: {new string('z', 500_000)}\n{new string('y', 300_000).Insert(0, "# ")}");

        Assert.StartsWith($"test.yaml:5: loss: '{new string('z', 60)}…' is unknown. ", problem);
        Assert.True(problem.Length < 400);
    }

    [Fact]
    public void Line_ends_of_other_systems_and_a_byte_order_mark_are_read()
    {
        Assert.Equal(Reads.Good(Reads.Minimal), Reads.Good("\uFEFF" + Reads.Minimal.Replace("\n", "\r\n", StringComparison.Ordinal)));
    }
}
