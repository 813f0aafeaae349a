namespace DistributedTrainer.Engine.Autograd;

/// <summary>
/// Lets a training pass begin before all of its parameters have come, and gradients leave before it is over. Called by the
/// thread that runs the pass: parameters are awaited from the first to the last, gradients are done from the last to the first.
/// </summary>
public interface IParameterFlow
{
    /// <summary>The parameters before this one in the flat vector are read from now on: returns when they are in place.</summary>
    /// <exception cref="ExchangeAbandonedException">They will not come; the pass is to be run again.</exception>
    void Await(int end);

    /// <summary>Outputs and losses are there, and gradients are written from now on: returns when there is a place for them.</summary>
    /// <exception cref="ExchangeAbandonedException">As above.</exception>
    void Turn();

    /// <summary>The gradients of all leaves are done from this parameter on.</summary>
    void Done(int start);
}
