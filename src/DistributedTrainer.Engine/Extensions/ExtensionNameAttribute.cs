namespace DistributedTrainer.Engine.Extensions;

/// <summary>
/// What a <see cref="Layers.CustomLayer"/> or <see cref="Losses.CustomLoss"/> is called in experiments and in saved networks, such as
/// <c>scaled-gate</c>. Its public constructor's parameters are its keys there, in kebab case.
/// </summary>
/// <param name="name">Lower-case letters, digits and - between them; no name that the trainer has itself.</param>
[AttributeUsage(AttributeTargets.Class, Inherited = false)]
public sealed class ExtensionNameAttribute(string name) : Attribute
{
    /// <summary>The name.</summary>
    public string Name { get; } = name;
}
