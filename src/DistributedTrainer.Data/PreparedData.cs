using DistributedTrainer.Data.Supply;
using DistributedTrainer.Engine.Tensors;

namespace DistributedTrainer.Data;

/// <summary>
/// A data set, split and preprocessed: what a run trains on. Features are held once: rows of bytes stay bytes and are
/// preprocessed as they are read, others are kept preprocessed and the data as read is let go. Rows of a mapped file stay
/// there, and are preprocessed as they are read.
/// </summary>
public sealed class PreparedData
{
    private readonly long _heldBytes;
    private readonly bool _isBytes;
    private readonly RecordCache? _supply;
    private readonly DataDescription? _description;

    /// <summary>Fits the preprocessing on the training rows and applies it to all.</summary>
    /// <exception cref="ArgumentException">There are no training rows.</exception>
    /// <exception cref="InvalidDataException">The preprocessing does not fit the data.</exception>
    public PreparedData(Dataset dataset, DataSplit split, IEnumerable<PreprocessingStep> preprocess)
    {
        Dataset = dataset.WithoutFeatures();
        _heldBytes = dataset.Features.IsBytes ? dataset.Features.HeldBytes : 0;
        Preprocessor = Preprocessor.Fit(dataset, split.Training, preprocess);
        _isBytes = dataset.Features.IsBytes;
        var bytes = _isBytes ? new ByteLookup(dataset, Preprocessor) : null;
        Training = new Subset(dataset, split.Training, Preprocessor, bytes);
        Validation = new Subset(dataset, split.Validation, Preprocessor, bytes);
        Test = new Subset(dataset, split.Test, Preprocessor, bytes);
    }

    /// <summary>
    /// Data that this node does not have. Up to so many bytes as are held of a file, rows are held and fetched whole;
    /// of more, those of a shard when it is computed here, and mapped from the cache folder.
    /// </summary>
    /// <param name="description">What is known of it.</param>
    /// <param name="shards">Of the experiment.</param>
    /// <param name="source">Where rows come from.</param>
    /// <param name="tell">Receives what an operator wants to know.</param>
    /// <param name="heldBytes">As <see cref="DataSources.HeldBytes"/>.</param>
    /// <exception cref="InvalidDataException">The description does not fit itself.</exception>
    public PreparedData(DataDescription description, int shards, IRecordSource source, Action<string> tell, long? heldBytes = null)
    {
        (_description, _isBytes, HoldsSupplied) = (description, description.IsBytes, description.RowBytes <= (heldBytes ?? DataSources.DefaultHeldBytes));
        Dataset = new Dataset
        {
            Name = description.Name,
            FeatureNames = description.FeatureNames,
            TargetName = description.TargetName,
            ClassNames = description.ClassNames,
            Task = description.Task,
            Sha256 = description.Sha256,
            InputShape = new Shape(description.InputShape),
            Features = new FeatureTable(description.FeatureNames.Length, Array.Empty<float[]>()),
        };
        Preprocessor = Preprocessor.FromJson(description.Preprocessor);
        var bytes = _isBytes ? new ByteLookup(Dataset, Preprocessor) : null;
        _supply = new RecordCache(description.Key(), source, HoldsSupplied, tell);
        Subset[] sets = [.. Enumerable.Range(0, DataDescription.DataSets).Select(set => new Subset(
            Dataset, new SuppliedSet(_supply, set, description.Records[set], description.RecordBytes[set], HoldsSupplied ? 1 : shards), Preprocessor, bytes))];
        (Training, Validation, Test) = (sets[0], sets[1], sets[2]);
    }

    /// <summary>Whether the rows are fetched, and held in memory: then all of them are needed at once.</summary>
    public bool HoldsSupplied { get; }

    /// <summary>Bytes of rows that were fetched by this process; 0 where others of the machine had fetched them, and where the data is here.</summary>
    public long SuppliedBytes => _supply?.FetchedBytes ?? 0;

    /// <summary>Whether rows are fetched, since this node has no such data.</summary>
    public bool IsSupplied => _supply is not null;

    /// <summary>What is known of the data, without its features.</summary>
    public Dataset Dataset { get; }

    /// <summary>What was fitted on the training rows.</summary>
    public Preprocessor Preprocessor { get; }

    /// <summary>What a preprocessed row is: (columns), or (channels, height, width).</summary>
    public Shape InputShape => Preprocessor.OutputShape;

    /// <summary>Rows to train on.</summary>
    public Subset Training { get; }

    /// <summary>Rows to evaluate on after each epoch.</summary>
    public Subset Validation { get; }

    /// <summary>Rows to evaluate on at the end.</summary>
    public Subset Test { get; }

    /// <summary>Bytes of features, labels and row numbers.</summary>
    public long Bytes => Training.Bytes + Validation.Bytes + Test.Bytes
        + ((long)Dataset.Rows * sizeof(float)) + _heldBytes;

    /// <summary>Fetches the rows of these shards that are not here, of all three sets. False: given up.</summary>
    /// <param name="shards">From 0; null: all rows.</param>
    /// <param name="isGivenUp">Whether nobody waits for them any more.</param>
    /// <exception cref="IOException">They cannot be had.</exception>
    public bool Bring(IReadOnlyList<int>? shards, Func<bool> isGivenUp)
    {
        if (!IsSupplied)
        {
            return true;
        }

        var needed = HoldsSupplied ? [0] : shards ?? throw new ArgumentException("rows: too many to fetch all; name shards.", nameof(shards));
        return ((Subset[])[Training, Validation, Test]).All(set => needed.All(shard => set.Bring(shard, isGivenUp)));
    }

    /// <summary>Records of another set of the description that this data was made of.</summary>
    /// <param name="set">From <see cref="DataDescription.DataSets"/> on.</param>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public SuppliedSet Supplied(int set) => _description is { } description && set < description.Records.Length
        ? new SuppliedSet(_supply!, set, description.Records[set], description.RecordBytes[set], stride: 1)
        : throw new InvalidOperationException($"rows: there is no set {set}.");

    /// <summary>What another node must know of this data.</summary>
    public DataDescription Describe() => new()
    {
        Name = Dataset.Name,
        FeatureNames = [.. Dataset.FeatureNames],
        TargetName = Dataset.TargetName,
        ClassNames = [.. Dataset.ClassNames],
        Task = Dataset.Task,
        Sha256 = Dataset.Sha256,
        InputShape = [.. Enumerable.Range(0, Dataset.InputShape.Rank).Select(dimension => Dataset.InputShape[dimension])],
        Preprocessor = Preprocessor.ToJson(),
        IsBytes = _isBytes,
        Records = [Training.Rows, Validation.Rows, Test.Rows],
        RecordBytes = [Training.RecordBytes, Validation.RecordBytes, Test.RecordBytes],
    };

    /// <summary>As the constructor, but what does not fit goes to the problems.</summary>
    /// <returns>Null where anything is wrong.</returns>
    public static PreparedData? Create(Dataset dataset, DataSplit split, IEnumerable<PreprocessingStep> preprocess, ICollection<string> problems)
    {
        try
        {
            return new PreparedData(dataset, split, preprocess);
        }
        catch (InvalidDataException problem)
        {
            problems.Add(problem.Message);
            return null;
        }
    }
}
