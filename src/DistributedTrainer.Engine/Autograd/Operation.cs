namespace DistributedTrainer.Engine.Autograd;

/// <summary>
/// A node of the graph: Forward computes its output from its inputs, Backward the inputs' gradients from the output's
/// (local gradient times upstream gradient) and adds nothing up: each variable has one reader.
/// </summary>
public abstract class Operation
{
    /// <summary>Writes the outputs' values.</summary>
    public abstract void Forward(Pass pass);

    /// <summary>Writes the gradients of inputs that need one, and of parameters per leaf.</summary>
    public abstract void Backward(Pass pass);
}
