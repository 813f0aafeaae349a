using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using DistributedTrainer.Dashboard.Reports;
using DistributedTrainer.Dashboard.Tests.Support;

namespace DistributedTrainer.Dashboard.Tests;

/// <summary>The report is one file that needs nothing else and runs nothing else.</summary>
public sealed class ReportTests
{
    [Fact]
    public void The_report_is_one_file_whose_policy_names_its_own_scripts()
    {
        using var run = Finished();
        var html = File.ReadAllText(ReportPage.Write(run.Directory, quickOnly: false));
        Assert.DoesNotMatch("""(src|href)=""", Regex.Replace(html, "<script.*?</script>", "", RegexOptions.Singleline));
        Assert.DoesNotContain("\nimport ", html, StringComparison.Ordinal);
        Assert.DoesNotContain("\nexport ", html, StringComparison.Ordinal);
        var scripts = Regex.Matches(html, "<script(?: type=\"module\")?>(.*?)</script>", RegexOptions.Singleline).Select(static match => match.Groups[1].Value).ToArray();
        Assert.Equal(2, scripts.Length);
        Assert.All(scripts, script => Assert.Contains($"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(script)))}'", html, StringComparison.Ordinal));
    }

    [Fact]
    public void What_a_file_holds_stays_text()
    {
        using var run = new SampleRun(experiment: "name: </script><script>alert(1)</script>\n");
        run.Append("log.txt", "2026 <img src=x onerror=alert(1)>");
        var html = ReportPage.Html(ReportPage.Collect(run.Directory, quickOnly: true));
        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", html, StringComparison.Ordinal);
        Assert.Equal(3, Regex.Count(html, "</script>"));
    }

    [Fact]
    public void It_says_why_there_is_no_evaluation()
    {
        using var run = Finished();
        var data = ReportPage.Collect(run.Directory, quickOnly: true);
        Assert.Null(data.Review);
        Assert.NotEmpty(data.Missing);
        Assert.Equal($"dtrain train {run.In("experiment.yaml")}", data.Command);
    }

    [Fact]
    public void A_folder_without_a_run_is_refused()
    {
        using var run = new SampleRun();
        Assert.Contains("there is no run in it", Assert.Throws<FileNotFoundException>(() => ReportPage.Write(run.Root, quickOnly: true)).Message, StringComparison.Ordinal);
    }

    /// <summary>Nothing that comes from a file may become an element.</summary>
    [Fact]
    public void The_page_never_reads_text_as_html()
    {
        foreach (var name in Serving.Assets.Names.Keys.Where(static name => name.EndsWith(".js", StringComparison.Ordinal) && !name.Contains("vendor", StringComparison.Ordinal)))
        {
            Assert.DoesNotMatch(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|https?://(?!www\.w3\.org)", Serving.Assets.Text(name));
        }
    }

    private static SampleRun Finished()
    {
        var run = new SampleRun();
        Array.ForEach([1, 2, 3], step => run.Step(step, 1.0 / step));
        run.Evaluation(3, 0.5, 0.875);
        run.Cluster(1, 1, "worker-a", "worker-b");
        run.Cluster(2, 3, "worker-b");
        run.Weights(0);
        run.Weights(3);
        run.Result();
        return run;
    }
}
