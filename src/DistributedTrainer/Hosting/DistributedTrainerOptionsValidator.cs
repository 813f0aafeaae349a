using Microsoft.Extensions.Options;

namespace DistributedTrainer.Hosting;

/// <summary>Reports all that is wrong with the options at once.</summary>
internal sealed class DistributedTrainerOptionsValidator : IValidateOptions<DistributedTrainerOptions>
{
    public ValidateOptionsResult Validate(string? name, DistributedTrainerOptions options) =>
        options.Problem() is { } problem ? ValidateOptionsResult.Fail(problem) : ValidateOptionsResult.Success;
}
