using System.CommandLine;
using System.CommandLine.Completions;

namespace DistributedTrainer.Cli.Commands;

/// <summary>
/// <c>dtrain completion</c>: what a shell has to be told so that it completes verbs, options and keys. The shell asks
/// <c>dtrain "[suggest:POSITION]" "LINE"</c>, which the parser answers by itself; where it has no answer, the shell completes
/// names of files.
/// </summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _dtrain() {
          local IFS=$'\n'
          COMPREPLY=($(dtrain "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2> /dev/null))
          # After a key comes its value, not a blank.
          [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
        }
        complete -o default -F _dtrain dtrain
        """;

    private const string Zsh = """
        #compdef dtrain
        _dtrain() {
          local -a found
          found=("${(@f)$(dtrain "[suggest:${#BUFFER[1,CURSOR]}]" "${BUFFER}" 2> /dev/null)}")
          if [[ -n ${found[1]} ]]; then
            compadd -U -S '' -a found
          else
            _files
          fi
        }
        compdef _dtrain dtrain
        """;

    private const string Fish = """
        complete -c dtrain -a '(dtrain "[suggest:"(string length -- (commandline -cp))"]" (commandline -p) 2> /dev/null)'
        """;

    private const string PowerShell = """
        Register-ArgumentCompleter -Native -CommandName dtrain -ScriptBlock {
          param($word, $line, $position)
          dtrain "[suggest:$position]" "$line" | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
        }
        """;

    private static readonly Dictionary<string, string> Scripts = new() { ["bash"] = Bash, ["zsh"] = Zsh, ["fish"] = Fish, ["pwsh"] = PowerShell };

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh, fish or pwsh." };
        shell.AcceptOnlyFromAmong([.. Scripts.Keys]);
        var command = new Command("completion", "Prints what makes a shell complete dtrain's verbs, options and keys. Example: source <(dtrain completion bash)")
        {
            shell,
        };
        command.SetAction(parsed =>
        {
            parsed.InvocationConfiguration.Output.WriteLine(Scripts[parsed.GetValue(shell)!]);
            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>Completes keys, and goes on behind the sign that their value comes after.</summary>
    public static Func<CompletionContext, IEnumerable<CompletionItem>> Keys(IReadOnlyList<string> keys) =>
        context => keys.Where(key => key.StartsWith(context.WordToComplete, StringComparison.Ordinal)).Select(static key => new CompletionItem($"{key}="));
}
