using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using DistributedTrainer.Cluster.Coordination;
using DistributedTrainer.Cluster.Planning;
using DistributedTrainer.Protocol;

namespace DistributedTrainer.Cluster.Checkpoints;

/// <summary>One file of a checkpoint: the state of one partition.</summary>
/// <param name="File">Its name.</param>
/// <param name="Offset">Where the partition begins in the flat vector.</param>
/// <param name="Length">How many parameters it has.</param>
/// <param name="Sha256">Of the whole file, in lower-case hexadecimal.</param>
internal sealed record CheckpointFile(string File, int Offset, int Length, string Sha256);

/// <summary>
/// What a checkpoint consists of. It is written last, and renamed into place: a checkpoint without it is none.
/// </summary>
internal sealed record CheckpointManifest
{
    /// <summary>Of the format. A file of another one is refused.</summary>
    public const int Format = 1;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        RespectRequiredConstructorParameters = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    [JsonPropertyName("format")]
    public required int FormatVersion { get; init; }

    public required string Experiment { get; init; }

    /// <summary>Of all that decides the result, see <see cref="ExperimentIdentity"/>.</summary>
    public required string ExperimentSha256 { get; init; }

    /// <summary>Of the data and the starting weights.</summary>
    public required string InputsSha256 { get; init; }

    /// <summary>The extensions whose layers and losses the experiment uses, each with its name and SHA-256; null: none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string[]? Extensions { get; init; }

    /// <summary>The parameter version: so many steps were applied.</summary>
    public required long Step { get; init; }

    /// <summary>Whole epochs, and the step within the next one.</summary>
    public required long Epoch { get; init; }

    public required long StepInEpoch { get; init; }

    public required long Generation { get; init; }

    /// <summary>Length of the flat vector.</summary>
    public required int Parameters { get; init; }

    /// <summary>Length of the running statistics.</summary>
    public required int RunningStatistics { get; init; }

    /// <summary>Vectors of the optimizer's state.</summary>
    public required int StateVectors { get; init; }

    /// <summary>What evaluations of earlier versions say, packed as in the frames of the data plane.</summary>
    public required long Verdict { get; init; }

    public required Judgement Judgement { get; init; }

    public required ProgressMemory Progress { get; init; }

    public required CheckpointFile[] Files { get; init; }

    /// <summary>Of the file with the order of updates; null: there is none, since it follows from the experiment.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OrderSha256 { get; init; }

    /// <summary>Of all of the above, as it is written with this one empty: a changed digit in a manifest must be found too.</summary>
    public string Sha256 { get; init; } = "";

    /// <summary>Whether there is a version that early stopping may go back to.</summary>
    public bool HasBest(TrainingPlan plan) => plan.RestoresBest && Servers.Verdict.Unpack(Verdict).BestVersion > 0;

    public string ToJson() => JsonSerializer.Serialize(this with { Sha256 = Seal() }, Json);

    /// <exception cref="JsonException">Not a manifest, or a damaged one.</exception>
    public static CheckpointManifest FromJson(string text)
    {
        var manifest = JsonSerializer.Deserialize<CheckpointManifest>(text, Json) ?? throw new JsonException("the manifest is null.");
        return manifest.Sha256 == manifest.Seal() ? manifest : throw new JsonException("its own checksum does not fit.");
    }

    private string Seal() => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(this with { Sha256 = "" }, Json)));
}
