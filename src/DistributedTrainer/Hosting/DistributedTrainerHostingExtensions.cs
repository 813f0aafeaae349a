using DistributedTrainer.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.Hosting;

/// <summary>Training in the host of a program.</summary>
public static class DistributedTrainerHostingExtensions
{
    /// <summary>
    /// Adds a service that trains an experiment, or is a node of a cluster, while the host runs:
    /// <code>
    /// builder.AddDistributedTrainer(options =&gt; options.Experiment = "digits.yaml");
    /// builder.AddDistributedTrainer(options =&gt; { options.Roles.Add("worker"); options.Join = "10.0.0.1:4053"; });
    /// </code>
    /// What it says goes to the host's log. When the host stops, a checkpoint is written first. <see cref="TrainingRun"/> is a service that
    /// has the result.
    /// </summary>
    /// <param name="builder">Of the host.</param>
    /// <param name="configure">Changes what the configuration's section DistributedTrainer says. Default: nothing.</param>
    public static IHostApplicationBuilder AddDistributedTrainer(this IHostApplicationBuilder builder, Action<DistributedTrainerOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = builder.Services.AddOptions<DistributedTrainerOptions>().Bind(builder.Configuration.GetSection(DistributedTrainerOptions.Section));
        if (configure is not null)
        {
            options.Configure(configure);
        }

        builder.Services.AddSingleton<IValidateOptions<DistributedTrainerOptions>, DistributedTrainerOptionsValidator>();
        builder.Services.AddSingleton<TrainingRun>();
        builder.Services.AddHostedService<TrainingService>();
        return builder;
    }
}
