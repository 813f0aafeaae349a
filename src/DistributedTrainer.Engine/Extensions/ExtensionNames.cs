using System.Text;

namespace DistributedTrainer.Engine.Extensions;

/// <summary>Names as experiments write them.</summary>
internal static class ExtensionNames
{
    /// <summary>FirstRate and firstRate → first-rate.</summary>
    public static string Kebab(string name)
    {
        var text = new StringBuilder();
        foreach (var letter in name)
        {
            if (char.IsUpper(letter) && text.Length > 0)
            {
                text.Append('-');
            }

            text.Append(char.ToLowerInvariant(letter));
        }

        return text.ToString();
    }

    /// <summary>Whether a name can stand in an experiment without quotes, and be nothing but a name.</summary>
    public static bool IsPlain(string name) =>
        name.Length is > 0 and <= 60 && char.IsAsciiLetterLower(name[0]) && name[^1] != '-'
        && name.All(static letter => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '-');
}
