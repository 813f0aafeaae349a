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

    /// <summary>Fits the preprocessing on the training rows and applies it to all.</summary>
    /// <exception cref="ArgumentException">There are no training rows.</exception>
    /// <exception cref="InvalidDataException">The preprocessing does not fit the data.</exception>
    public PreparedData(Dataset dataset, DataSplit split, IEnumerable<PreprocessingStep> preprocess)
    {
        Dataset = dataset.WithoutFeatures();
        _heldBytes = dataset.Features.IsBytes ? dataset.Features.HeldBytes : 0;
        Preprocessor = Preprocessor.Fit(dataset, split.Training, preprocess);
        var bytes = dataset.Features.IsBytes ? new ByteLookup(dataset, Preprocessor) : null;
        Training = new Subset(dataset, split.Training, Preprocessor, bytes);
        Validation = new Subset(dataset, split.Validation, Preprocessor, bytes);
        Test = new Subset(dataset, split.Test, Preprocessor, bytes);
    }

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
