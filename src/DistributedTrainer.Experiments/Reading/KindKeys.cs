namespace DistributedTrainer.Experiments.Reading;

/// <summary>Which keys of a section belong to which kinds.</summary>
/// <typeparam name="T">The kinds.</typeparam>
/// <param name="owners">Each key with the kinds that have it.</param>
internal sealed class KindKeys<T>(params (string Key, T[] Kinds)[] owners)
    where T : struct, Enum
{
    public bool Knows(string? key) => owners.Any(owner => owner.Key == key);

    public bool Has(T kind, string key) => owners.Any(owner => owner.Key == key && owner.Kinds.Contains(kind));

    /// <summary>Refuses the keys that other kinds have, with the names of those kinds.</summary>
    /// <param name="section">Where the keys are.</param>
    /// <param name="kind">Null: an unknown kind, of which nothing can be said but that it is unknown.</param>
    public void RefuseForeign(Section section, T? kind)
    {
        foreach (var (key, kinds) in owners)
        {
            if ((kind is null || !kinds.Contains(kind.Value)) && section.FindForeign(key) is { } node && kind is not null)
            {
                section.Problems.Add(node, section.KeyOf(key), $"{Names.Kebab(kind.Value)} has no {key}; {string.Join(", ", kinds.Select(Names.Kebab))} {(kinds.Length == 1 ? "has" : "have")}. Remove it.");
            }
        }
    }
}
