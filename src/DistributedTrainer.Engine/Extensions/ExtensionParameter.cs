using System.Globalization;
using System.Reflection;

namespace DistributedTrainer.Engine.Extensions;

/// <summary>A parameter of an extension's constructor: a key in experiments.</summary>
public sealed class ExtensionParameter
{
    private static readonly Type[] Possible = [typeof(int), typeof(long), typeof(float), typeof(double), typeof(bool), typeof(string)];

    private readonly PropertyInfo _property;
    private readonly ParameterInfo _parameter;

    private ExtensionParameter(ParameterInfo parameter, PropertyInfo property) => (_parameter, _property) = (parameter, property);

    /// <summary>In kebab case: <c>firstRate</c> is <c>first-rate</c>.</summary>
    public string Name => ExtensionNames.Kebab(_parameter.Name!);

    /// <summary>int, long, float, double, bool, string or an enumeration.</summary>
    public Type Type => _parameter.ParameterType;

    /// <summary>Whether an experiment may leave it out.</summary>
    public bool IsOptional => _parameter.HasDefaultValue;

    /// <summary>What it is then.</summary>
    public object? Default => !_parameter.HasDefaultValue ? null : Type.IsEnum && _parameter.DefaultValue is { } value ? Enum.ToObject(Type, value) : _parameter.DefaultValue;

    /// <summary>The value that a layer or loss was made with.</summary>
    public object? Of(object part) => _property.GetValue(part);

    /// <summary>A value as text, which reads as the same value: numbers with all their digits, enumerations in kebab case.</summary>
    public static string Text(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        float number => number.ToString("R", CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        Enum name => ExtensionNames.Kebab(name.ToString()),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString()!,
    };

    /// <summary>The parameters of a type's one public constructor.</summary>
    /// <exception cref="ArgumentException">They are not such that experiments can name them.</exception>
    internal static (ConstructorInfo Constructor, ExtensionParameter[] Parameters) Of(Type type, string name)
    {
        if (type.GetConstructors() is not [var constructor])
        {
            throw new ArgumentException($"{name}: {type} needs exactly one public constructor, whose parameters are its keys in experiments.");
        }

        return (constructor, Array.ConvertAll(constructor.GetParameters(), parameter =>
        {
            if (!Possible.Contains(parameter.ParameterType) && !parameter.ParameterType.IsEnum)
            {
                throw new ArgumentException($"{name}: {parameter.Name} is of type {parameter.ParameterType.Name}, which experiments cannot name. Possible are int, long, float, double, bool, string and enumerations.");
            }

            var property = type.GetProperty(parameter.Name!, BindingFlags.Public | BindingFlags.Instance | BindingFlags.IgnoreCase);
            return property?.PropertyType == parameter.ParameterType && property.CanRead
                ? new ExtensionParameter(parameter, property)
                : throw new ArgumentException($"{name}: {type} needs a public property for {parameter.Name} of the same name and type, so that experiments can be written.");
        }));
    }
}
