using System.Globalization;
using DistributedTrainer.Protocol;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace DistributedTrainer.Cli.Views;

/// <summary>What is drawn of a run: how far it is, how its loss went, who works on what, and what happened.</summary>
internal static class LivePicture
{
    private const int LongestBar = 60;

    // A name, a number, and its curve.
    private const int NameWidth = 17;

    // Lines that are not nodes: four of the run, four of the table's frame, one that says how many nodes are left out, and
    // one below all, where the cursor is.
    private const int OtherLines = 10;

    private static readonly Style Dim = new(Color.Grey);

    /// <summary>Columns, and from what width of the terminal on there is room for each.</summary>
    private static readonly (string Name, int From, bool IsNumber, Func<Submissions.NodeView, TimeShares?, string> Text)[] Columns =
    [
        ("node", 0, false, static (node, _) => node.Node),
        ("role", 110, false, static (node, _) => node.Role),
        ("process", 80, true, static (node, _) => node.ProcessId.ToString(CultureInfo.InvariantCulture)),
        ("state", 0, false, static (node, _) => node.State),
        ("shards", 0, false, static (node, _) => Texts.Numbers(node.Shards)),
        ("rows/s", 50, true, static (node, _) => node.Role == "worker" ? node.RowsPerSecond.ToString("#,0", CultureInfo.InvariantCulture) : ""),
        ("computing", 90, true, static (_, shares) => Percent(shares?.Computing)),
        ("pushing", 100, true, static (_, shares) => Percent(shares?.Pushing)),
        ("waiting", 90, true, static (_, shares) => Percent(shares?.Waiting)),
        ("copying", 124, true, static (_, shares) => Percent(shares?.Copying)),
    ];

    /// <summary>The picture.</summary>
    /// <param name="course">The run.</param>
    /// <param name="notices">What happened last.</param>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="height">Its lines.</param>
    /// <param name="unicode">Whether it shows more than ASCII.</param>
    public static IRenderable Of(RunCourse course, IReadOnlyCollection<string> notices, int width, int height, bool unicode)
    {
        var lines = new List<IRenderable>();
        if (course.Now is { } view)
        {
            lines.Add(Progress(view, width, unicode));
            lines.Add(Number("loss", Texts.Loss(view.Loss), course.Loss, width, unicode));
            if (view.ValidationLoss is { } validation)
            {
                lines.Add(Number("validation", Texts.Loss(validation), course.ValidationLoss, width, unicode, view.ValidationAccuracy));
            }

            lines.Add(new Text(string.Create(CultureInfo.InvariantCulture, $"{view.RowsPerSecond:#,0} rows/s, {Texts.Workers(view)}")));
            var shown = Math.Max(1, height - OtherLines - notices.Count);
            lines.Add(Nodes(course, view.Nodes[..Math.Min(shown, view.Nodes.Length)], width));
            if (view.Nodes.Length > shown)
            {
                lines.Add(new Text($"and {view.Nodes.Length - shown} more nodes", Dim));
            }
        }

        lines.AddRange(notices.Select(static notice => new Text(notice)));
        return new Rows(lines);
    }

    private static Paragraph Progress(Submissions.View view, int width, bool unicode)
    {
        var share = view.Steps == 0 ? 0 : (double)view.Step / view.Steps;
        var text = string.Create(CultureInfo.InvariantCulture, $" {share:0%}  step {view.Step:#,0} of {view.Steps:#,0}, epoch {view.Epoch} of {view.Epochs}  {Texts.TimeLeft(view)}");
        var bar = Math.Clamp(width - view.Phase.Length - text.Length - 3, 0, LongestBar);
        var (done, left) = unicode ? ('━', '─') : ('#', '.');
        var (far, color) = ((int)(bar * share), view.Phase is "training" or "finishing" ? Color.Green : Color.Yellow);
        return new Paragraph().Append($"{view.Phase} ", new Style(color)).Append(new string(done, far), new Style(color)).Append(new string(left, bar - far), Dim).Append(text.TrimEnd());
    }

    private static Paragraph Number(string name, string value, Curve curve, int width, bool unicode, double? accuracy = null)
    {
        var share = accuracy is { } known ? string.Create(CultureInfo.InvariantCulture, $"  {known:0.0%}") : "";
        var line = curve.Draw(Math.Clamp(width - NameWidth - 10 - share.Length, 0, LongestBar), unicode ? "▁▂▃▄▅▆▇█" : "_.-=+*#%");
        return new Paragraph().Append($"{name} ".PadRight(NameWidth - 6), Dim).Append(value.PadLeft(6)).Append($"  {line}", new Style(Color.Aqua)).Append(share);
    }

    private static Table Nodes(RunCourse course, Submissions.NodeView[] nodes, int width)
    {
        var columns = Array.FindAll(Columns, column => width >= column.From);
        var table = new Table().RoundedBorder();
        table.BorderStyle = Dim;
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column.Name)) { NoWrap = true, Alignment = column.IsNumber ? Justify.Right : Justify.Left });
        }

        foreach (var node in nodes)
        {
            var shares = course.SharesOf(node).Latest;
            table.AddRow(columns.Select(column => new Text(column.Text(node, shares), StyleOf(column.Name, node.State))));
        }

        return table;
    }

    private static Style StyleOf(string column, string state) => column != "state" ? Style.Plain : new Style(state switch
    {
        "training" or "serving" => Color.Green,
        "unfit" or "cut off" => Color.Red,
        _ => Color.Yellow,
    });

    private static string Percent(double? share) => share is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known:0 %}") : "";
}
