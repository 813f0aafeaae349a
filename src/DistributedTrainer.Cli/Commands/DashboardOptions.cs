using System.CommandLine;
using DistributedTrainer.Dashboard.Serving;

namespace DistributedTrainer.Cli.Commands;

/// <summary>Where a run's page is to be.</summary>
internal sealed record DashboardArguments(string Host, int Port);

/// <summary>The options of a verb that can show its run as a web page.</summary>
internal sealed class DashboardOptions
{
    private readonly Option<bool> _show = new("--dashboard") { Description = "Shows the run as a web page; with a terminal, until Ctrl+C." };
    private readonly Option<string> _host = new("--dashboard-host") { Description = "The address that the page listens on.", DefaultValueFactory = static _ => "127.0.0.1", HelpName = "ADDRESS" };
    private readonly Option<int> _port = new("--dashboard-port") { Description = "Its port. 0: the system chooses.", DefaultValueFactory = static _ => DashboardServer.DefaultPort };

    public void AddTo(Command command)
    {
        command.Options.Add(_show);
        command.Options.Add(_host);
        command.Options.Add(_port);
    }

    /// <summary>Null: no page was asked for.</summary>
    public DashboardArguments? Of(ParseResult parsed) => parsed.GetValue(_show) ? new DashboardArguments(parsed.GetValue(_host)!, parsed.GetValue(_port)) : null;
}
