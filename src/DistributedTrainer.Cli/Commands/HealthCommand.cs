using System.CommandLine;

namespace DistributedTrainer.Cli.Commands;

/// <summary><c>dtrain health</c>: asks a node on this machine how it is, where there is no other program to ask with.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);

    public static Command Create()
    {
        var url = new Option<string?>("--url") { Description = "What is asked. Default: /health/ready at the port DTRAIN_HEALTH_PORT of this machine; without that nothing is, and all is well.", HelpName = "URL" };
        var command = new Command("health", "Asks a node of this machine whether it is ready: exit code 0 or 1. Example: dtrain health --url http://127.0.0.1:8080/health/live")
        {
            url,
        };
        command.SetAction(async (parsed, cancel) =>
        {
            var asked = parsed.GetValue(url) ?? (EnvironmentSettings.OfThisProcess.Number("DTRAIN_HEALTH_PORT") is { } port ? $"http://127.0.0.1:{port}/health/ready" : null);
            if (asked is null)
            {
                Console.WriteLine("There is nothing to ask: DTRAIN_HEALTH_PORT is not set.");
                return ExitCodes.Done;
            }

            if (!Uri.TryCreate(asked, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
            {
                Console.Error.WriteLine($"--url: '{asked}' is no URL. Write such as http://127.0.0.1:8080/health/ready.");
                return ExitCodes.UsageWrong;
            }

            using var client = new HttpClient { Timeout = Limit };
            try
            {
                using var answer = await client.GetAsync(uri, cancel);
                Console.WriteLine($"{(int)answer.StatusCode} {(answer.Content.Headers.ContentType?.MediaType == "text/plain" ? (await answer.Content.ReadAsStringAsync(cancel)).Trim() : "")}".TrimEnd());
                return answer.IsSuccessStatusCode ? ExitCodes.Done : ExitCodes.TrainingFailed;
            }
            catch (Exception problem) when (problem is HttpRequestException or TaskCanceledException)
            {
                Console.Error.WriteLine($"{uri}: no answer: {problem.Message}");
                return ExitCodes.TrainingFailed;
            }
        });
        return command;
    }
}
