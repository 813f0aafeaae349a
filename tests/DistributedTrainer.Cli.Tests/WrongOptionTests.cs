using DistributedTrainer.Cli.Commands;

namespace DistributedTrainer.Cli.Tests;

public sealed class WrongOptionTests
{
    [Theory]
    [InlineData("train --wrong", "--wrong: dtrain train has no such option. --help lists what there is.")]
    [InlineData("train --in-proces", "--in-proces: dtrain train has no such option. Did you mean --in-process?")]
    [InlineData("inspect --jsn", "--jsn: dtrain inspect has no such option. Did you mean --json?")]
    [InlineData("bench growth --plots", "--plots: dtrain growth has no such option. Did you mean --plot?")]
    public void What_looks_like_an_option_is_not_taken_for_a_file(string line, string expected) =>
        Assert.Contains(expected, DtrainCommand.Create().Parse(line).Errors.Select(static error => error.Message));

    [Theory]
    [InlineData("train -")]
    [InlineData("train --in-process digits.yaml")]
    public void Options_and_files_are_what_they_are(string line) => Assert.Empty(DtrainCommand.Create().Parse(line).Errors);
}
