using System.Text.Json;
using DistributedTrainer.Dashboard.Following;
using DistributedTrainer.Dashboard.Reviews;

namespace DistributedTrainer.Dashboard.Reports;

/// <summary>All that a report shows.</summary>
/// <param name="Run">All of the run's files.</param>
/// <param name="Model">Its layers; null: not known.</param>
/// <param name="Review">How the model does; null: not known.</param>
/// <param name="Missing">Why the review is missing.</param>
/// <param name="Command">Repeats the run.</param>
internal sealed record ReportData(RunUpdate Run, ModelPage? Model, ReviewPage? Review, IReadOnlyList<string> Missing, string Command);
