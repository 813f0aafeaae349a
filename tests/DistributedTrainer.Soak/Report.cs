using System.Globalization;

namespace DistributedTrainer.Soak;

/// <summary>The tables at the end.</summary>
internal static class Report
{
    private static readonly string[] Roles = ["worker", "server", "coordinator"];

    public static void Print(IReadOnlyList<(Disturbance What, TimeSpan At)> events, int skipped, Watch watch, RunFiles run, List<string> problems)
    {
        Row("", "count", "still (s)", "worst (s)");
        foreach (var kind in events.GroupBy(static one => one.What.Name).OrderBy(static kind => kind.Key, StringComparer.Ordinal))
        {
            var still = kind.Select(one => watch.Standstill(one.At, Next(events, one.At))).OfType<double>().ToArray();
            Row(kind.Key, $"{kind.Count()}", Seconds(Numbers.Median(still)), Seconds(still.DefaultIfEmpty(double.NaN).Max()));
        }

        Row("skipped", $"{skipped}", "", "");
        Console.WriteLine("still: the longest time from the event to the next one in which no step was seen to be told; the coordinator tells five times a second.");
        Console.WriteLine();
        if (File.Exists(Path.Combine(run.Folder, "result.json")))
        {
            Row("recoveries", "count", "median (s)", "worst (s)");
            foreach (var role in Roles)
            {
                var seconds = run.Recoveries.Where(one => RoleOf(one.Cause) == role).Select(static one => one.Seconds).ToArray();
                Row(role, $"{seconds.Length}", Seconds(Numbers.Median(seconds)), Seconds(seconds.DefaultIfEmpty(double.NaN).Max()));
            }

            Console.WriteLine("of result.json: from the failure to the next step that is new.");
            Console.WriteLine();
        }

        Row("process", "lived (s)", "memory (MB)", "handles", "segments");
        foreach (var course in watch.Courses.Where(static course => course.Counts))
        {
            Row(course.Name, $"{course.Life.TotalSeconds:0}", Change(course.Megabytes), Change(course.Handles), Change(course.Segments));
            if (!course.IsFlat)
            {
                problems.Add($"{course.Name} grows: memory {Change(course.Megabytes)} MB, handles {Change(course.Handles)}, segments {Change(course.Segments)}");
            }
        }

        if (!watch.Courses.Any(static course => course.Counts))
        {
            problems.Add("no process lived long enough for its memory to be judged: soak for longer");
        }

        Console.WriteLine($"allowed {Course.Allowance}");
        Console.WriteLine();
    }

    private static TimeSpan Next(IReadOnlyList<(Disturbance What, TimeSpan At)> events, TimeSpan after) =>
        events.Select(static one => one.At).Where(at => at > after).DefaultIfEmpty(TimeSpan.MaxValue).Min();

    /// <summary>Whose failure it was: names of nodes begin with their role, and a worker's report of a broken connection names the server too.</summary>
    private static string RoleOf(string cause) =>
        cause.Contains("the coordinator began anew", StringComparison.Ordinal) ? "coordinator"
        : cause.Contains("server", StringComparison.Ordinal) ? "server" : "worker";

    private static string Seconds(double value) => double.IsNaN(value) ? "" : value.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Change((double First, double Last) medians) => string.Create(CultureInfo.InvariantCulture, $"{medians.First:0} → {medians.Last:0}");

    private static void Row(params string[] cells) => Console.WriteLine(string.Concat(cells.Select(static (cell, i) => i == 0 ? cell.PadRight(22) : cell.PadLeft(14))));
}
