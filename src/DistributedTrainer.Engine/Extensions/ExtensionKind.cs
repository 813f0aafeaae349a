using System.Reflection;
using DistributedTrainer.Engine.Layers;
using DistributedTrainer.Engine.Losses;
using DistributedTrainer.Engine.Models;

namespace DistributedTrainer.Engine.Extensions;

/// <summary>A layer or loss of an extension: its name in experiments and how it is made.</summary>
public sealed class ExtensionKind
{
    // What other lists of layers or losses have a meaning for.
    private static readonly string[] Reserved = ["kind", "class-weights", ZeroOne.Name];

    private readonly ConstructorInfo _constructor;

    private ExtensionKind(string name, Type type, Extension extension)
    {
        (Name, Type, Extension) = (name, type, extension);
        (_constructor, var parameters) = ExtensionParameter.Of(type, name);
        Parameters = parameters;
    }

    /// <summary>In experiments, such as <c>scaled-gate</c>.</summary>
    public string Name { get; }

    /// <summary>A class that derives from <see cref="CustomLayer"/> or <see cref="CustomLoss"/>.</summary>
    public Type Type { get; }

    /// <summary>Where it comes from.</summary>
    public Extension Extension { get; }

    /// <summary>Its keys in experiments, in the constructor's order.</summary>
    public IReadOnlyList<ExtensionParameter> Parameters { get; }

    /// <summary>Whether it is a layer; otherwise a loss.</summary>
    public bool IsLayer => Type.IsSubclassOf(typeof(CustomLayer));

    /// <summary>Makes one.</summary>
    /// <param name="value">Gives the value of each parameter, of its type.</param>
    /// <exception cref="ArgumentException">The constructor refuses them.</exception>
    public object Create(Func<ExtensionParameter, object?> value)
    {
        ArgumentNullException.ThrowIfNull(value);
        return _constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, [.. Parameters.Select(value)], null);
    }

    /// <summary>The layers and losses among the types of an assembly.</summary>
    /// <exception cref="ArgumentException">One of them cannot be used; says why.</exception>
    internal static IReadOnlyList<ExtensionKind> Of(IEnumerable<Type> types, Extension extension)
    {
        var kinds = new List<ExtensionKind>();
        foreach (var type in types.Where(static type => !type.IsAbstract && (type.IsSubclassOf(typeof(CustomLayer)) || type.IsSubclassOf(typeof(CustomLoss)))))
        {
            if (type.GetCustomAttribute<ExtensionNameAttribute>()?.Name is not { } name)
            {
                throw new ArgumentException($"{extension.Name}: {type} has no name. Write [ExtensionName(\"its-name\")] above it.");
            }

            if (!ExtensionNames.IsPlain(name) || Reserved.Contains(name) || DefinitionJson.Kinds.Contains(name) || TrainingLoss.Names.Contains(name) || kinds.Exists(other => other.Name == name))
            {
                throw new ArgumentException($"{extension.Name}: {type} cannot be called '{name}'. Write lower-case letters, digits and -, and no name that the trainer or the extension has already.");
            }

            kinds.Add(new ExtensionKind(name, type, extension));
        }

        return kinds;
    }
}
