namespace DistributedTrainer.Data;

/// <summary>Passes on the first problems of one reading. A file of the wrong kind has a problem in every cell; a person reads a few.</summary>
internal sealed class ProblemLog(ICollection<string> problems)
{
    public const int Limit = 10;

    private int _count;

    public bool Any => _count > 0;

    /// <summary>No more are passed on: there is no point in reading further.</summary>
    public bool Full => _count >= Limit;

    public void Add(string problem)
    {
        if (!Full)
        {
            problems.Add(problem);
        }

        _count++;
    }
}
