namespace DistributedTrainer.Protocol;

/// <summary>Marks what may travel between nodes; the only types that the serializer knows. None carries a tensor.</summary>
public interface IProtocolMessage;

/// <summary>A node's life in the cluster: registering with the coordinator, preparing a run, ending it.</summary>
public static class Nodes
{
    /// <summary>
    /// Node → coordinator, repeated until answered and then now and then: here I am, with this run; null: with none. Each of its
    /// workers computes on so many threads.
    /// </summary>
    public sealed record Register(NodeId Node, string[] Roles, string Host, int ProcessId, int Workers, RunId? Run, long SentAt, int Threads = 1) : IProtocolMessage;

    /// <summary>
    /// Coordinator → node: known, wait for a run. With the time at which the question left, by the node's clock, and the time
    /// now, by the coordinator's: so the node knows how far the clocks are apart (microseconds since 1970).
    /// </summary>
    public sealed record Registered(NodeId Node, long SentAt, long At) : IProtocolMessage;

    /// <summary>
    /// Node → coordinator: what recorded steps were spent on, in microseconds. The track is a worker or a partition; each span
    /// has a kind, a step, a start after the first one's (since 1970, by the node's clock) and a duration. The offset is to be
    /// added to times to get the coordinator's, and may be wrong by the error; null: it is not known. Lost: spans of this track
    /// that there was no room for, so far.
    /// </summary>
    public sealed record Recorded(
        RunId Run, NodeId Node, string Track, long Offset, long? OffsetError, long Lost, long First, int[] Kinds, long[] Steps, long[] Starts, long[] Durations) : IProtocolMessage;

    /// <summary>
    /// Coordinator → node: read the data and build the model of this experiment. The rest is kept for a coordinator that
    /// begins anew: where the run's folder is, and whether the cluster ends with the run. The extensions are those whose
    /// layers and losses the experiment uses; null: none.
    /// </summary>
    public sealed record Prepare(
        RunId Run, ulong Token, string ExperimentYaml, string BaseDirectory, string RunDirectory, bool EndCluster, DataSource? Data = null,
        ExtensionFile[]? Extensions = null) : IProtocolMessage;

    /// <summary>An assembly with layers or losses, which each node has from its own disk: its name, and the SHA-256 of its file.</summary>
    public sealed record ExtensionFile(string Name, string Sha256);

    /// <summary>
    /// The checksum of what a run's files hold, and where a node that does not have them is sent its rows; null: the run
    /// has none but what comes with the program.
    /// </summary>
    public sealed record DataSource(string InputsSha256, string Host, int ProcessId, string[] Addresses);

    /// <summary>
    /// Node → coordinator: ready; the checksum shows that all nodes have the same data. A node that was sent its data says
    /// so, and why; and whether it fetches the rows of a shard only when it is given the shard, or told to bring them.
    /// </summary>
    public sealed record Prepared(RunId Run, NodeId Node, string DataSha256, string[] DataAddresses, string? Supplied = null, bool FetchesRows = false) : IProtocolMessage;

    /// <summary>Node → coordinator: the run cannot be prepared here.</summary>
    public sealed record PrepareFailed(RunId Run, NodeId Node, string Reason) : IProtocolMessage;

    /// <summary>Coordinator that begins anew → node with a run: what is it?</summary>
    public sealed record Recall(RunId Run) : IProtocolMessage;

    /// <summary>
    /// Node → coordinator: how the run was prepared, the newest generation that was seen here and the one that loaded the
    /// state which training goes on from, the partitions that are here, and the settings that they were loaded with.
    /// </summary>
    public sealed record Recalled(Prepare Preparation, NodeId Node, Generation Newest, Generation Loaded, int[] Partitions, string[]? Settings = null) : IProtocolMessage;

    /// <summary>Coordinator → node: the run is over, free what it holds.</summary>
    public sealed record EndRun(RunId Run) : IProtocolMessage;

    /// <summary>Node → coordinator: this process is told to end, and waits a while for the answer.</summary>
    public sealed record Leaving(NodeId Node) : IProtocolMessage;

    /// <summary>Coordinator → node: nothing is lost with it: the others train on, or a checkpoint is written.</summary>
    public sealed record MayLeave(NodeId Node) : IProtocolMessage;

    /// <summary>Coordinator → node: leave the cluster and end the process.</summary>
    public sealed record Shutdown(string Reason) : IProtocolMessage;
}

/// <summary>Between the coordinator and the partition actors.</summary>
public static class Partitions
{
    /// <summary>
    /// Coordinator → server node: own these ranges from this version on, whatever you had. Version 0 follows from the seed;
    /// the state of a later one comes over the data plane, the verdict and the judgement with this. The settings are what is
    /// different from the experiment that was prepared, <c>key=value</c> each; null: nothing.
    /// </summary>
    public sealed record Host(RunId Run, Generation Generation, int[] Partitions, StepId From, long Verdict, Judgement? Judgement, string[]? Settings = null) : IProtocolMessage;

    /// <summary>Server node → coordinator: the ranges are there, and can be loaded; with a newer generation than was asked for: refused, since that one is known here.</summary>
    public sealed record Hosted(RunId Run, NodeId Node, Generation Generation) : IProtocolMessage;

    /// <summary>Coordinator → partition: refuse whatever is older than this generation, and say where you are.</summary>
    public sealed record Fence(RunId Run, PartitionId Partition, Generation Generation) : IProtocolMessage;

    /// <summary>Partition → coordinator: fenced and loaded, at this parameter version.</summary>
    public sealed record Fenced(RunId Run, PartitionId Partition, Generation Generation, StepId Version) : IProtocolMessage;

    /// <summary>
    /// Lead partition → coordinator: these steps were applied, with the loss summed over rows of each, its learning rate and
    /// when (microseconds since 1970 by the server's clock); and the managed bytes that the server's process has allocated.
    /// The skipped ones, by their places among these, were left out since they were not finite: their versions are those before.
    /// </summary>
    public sealed record StepsApplied(
        RunId Run, StepId First, double[] LossSums, int[] Rows, double[] LearningRates, long[] Microseconds, int[] Skipped, long AllocatedBytes) : IProtocolMessage;

    /// <summary>
    /// Partition → coordinator, some fifty times in a run: of the gradient of this step, summed over its rows, the sum of squares of
    /// each described tensor that lies here in whole or in part, in order.
    /// </summary>
    public sealed record Measured(RunId Run, PartitionId Partition, StepId Step, int Rows, double[] Squares) : IProtocolMessage;

    /// <summary>
    /// Coordinator → lead partition: the steps up to this one, and the evaluations up to this version, are written down and
    /// need not be told again; −1: none.
    /// </summary>
    public sealed record StepsKept(RunId Run, StepId Step, StepId Evaluation) : IProtocolMessage;

    /// <summary>Coordinator → lead partition: have a checkpoint made at the next step; where it is the last, no step follows it.</summary>
    public sealed record AskCheckpoint(RunId Run, bool Last) : IProtocolMessage;

    /// <summary>Coordinator → partition: put this version aside for a checkpoint. It is the current one, and nobody changes it.</summary>
    public sealed record TakeSnapshot(RunId Run, PartitionId Partition, StepId Version) : IProtocolMessage;

    /// <summary>
    /// Partition → coordinator: this version's state is put aside and can be fetched. The judgement comes from the lead
    /// partition. Where it is held no step follows it in this generation.
    /// </summary>
    public sealed record SnapshotTaken(RunId Run, PartitionId Partition, StepId Version, long Verdict, Judgement? Judgement, bool Held = false) : IProtocolMessage;

    /// <summary>Coordinator → partition: what was put aside of this version is not needed any more.</summary>
    public sealed record SnapshotDone(RunId Run, PartitionId Partition, StepId Version) : IProtocolMessage;

    /// <summary>Lead partition → coordinator: the parameters of this version were evaluated; what the units did on the validation rows (or else the test rows), which is the best so far, and whether training ends here.</summary>
    public sealed record Evaluated(RunId Run, StepId Version, SetSums Validation, SetSums Test, LayerUnits[] Units, StepId Best, bool Last) : IProtocolMessage;

    /// <summary>
    /// Lead partition → coordinator, now and then: this step is not finite, so that nothing of it was applied and nothing
    /// follows it. Its number is that of the version that stays.
    /// </summary>
    public sealed record NotFinite(RunId Run, StepId Step) : IProtocolMessage;

    /// <summary>Partition → coordinator: the run cannot go on.</summary>
    public sealed record Failed(RunId Run, StepId Step, string Reason) : IProtocolMessage;

    /// <summary>Server node → coordinator: a worker's connection closed.</summary>
    public sealed record LinkLost(RunId Run, WorkerId Worker, string Reason) : IProtocolMessage;
}

/// <summary>
/// What the judge of the evaluations remembers: of reduce-on-plateau the lowest loss (null: none), evaluations that were not
/// better, those not counted yet, and reductions; of early stopping the best value (null: none), its version, and the
/// evaluations since.
/// </summary>
public sealed record Judgement(double? PlateauBest, int PlateauBad, int PlateauCooldown, int Reductions, double? Best, long BestVersion, int NotBetter);

/// <summary>Loss summed over rows, right answers and rows of one set of rows.</summary>
public sealed record SetSums(double Loss, long Correct, long Rows);

/// <summary>
/// What the steps of a node have cost since its run began. A worker's times, in microseconds, are those of its step thread, its
/// allocated bytes those of all threads that compute; a server's allocated bytes are those of its process.
/// </summary>
public sealed record StepCosts(long Steps, long Computing, long Pushing, long Waiting, long Copying, long AllocatedBytes, long DataBytes);

/// <summary>
/// The units of one activation layer on a whole set of rows: how many were 0 in every row (null where the function has no
/// flat part at 0), and how many had a slope near 0 in every row.
/// </summary>
public sealed record LayerUnits(string Layer, string Function, int Units, int? Dead, int Saturated);

/// <summary>
/// One tensor of a version, for a person to look at: its range, mean and norm, and how many of some of its values (at most
/// 65,536) lie in each of equal parts of the range.
/// </summary>
public sealed record ParameterSummary(string Name, int Elements, double Low, double High, double Mean, double Norm, int[] Counts);

/// <summary>Between the coordinator and the worker actors.</summary>
public static class Workers
{
    /// <summary>Where a partition is to be reached.</summary>
    public sealed record Route(PartitionId Partition, NodeId Node, string Host, int ProcessId, string[] Addresses);

    /// <summary>
    /// Coordinator → node of the worker: compute these shards from this version on. Where the generation that loaded the
    /// state is a new one, training has gone back: what the worker knows of later versions is forgotten. The settings are those
    /// of <see cref="Partitions.Host"/>, and belong to that generation. So many threads compute on the worker's host, its own
    /// among them; 0: it is not known.
    /// </summary>
    public sealed record Assign(
        RunId Run, WorkerId Worker, Generation Generation, Generation Loaded, StepId From, int[] Shards, Route[] Routes, string[]? Settings = null, int HostThreads = 0) : IProtocolMessage;

    /// <summary>
    /// Coordinator → node of the worker, repeated until answered: these shards may become the worker's. Fetch their rows, and
    /// go on meanwhile; who computes them is said by <see cref="Assign"/> alone.
    /// </summary>
    public sealed record Bring(RunId Run, WorkerId Worker, int[] Shards) : IProtocolMessage;

    /// <summary>Worker → coordinator: the rows of these shards are here; with a problem: they cannot be had, for this reason.</summary>
    public sealed record Brought(RunId Run, WorkerId Worker, int[] Shards, string? Problem) : IProtocolMessage;

    /// <summary>Worker → coordinator, about twice a second: where it is, how many rows it has computed and what that cost.</summary>
    public sealed record Status(RunId Run, WorkerId Worker, StepId Step, long RowsComputed, string State, StepCosts Costs) : IProtocolMessage
    {
        /// <summary>In <see cref="State"/>: it has no connection to one of the servers, and is making it or waits to be told to.</summary>
        public const string Connecting = "connecting";

        /// <summary>In <see cref="State"/>: it has no shards.</summary>
        public const string Standby = "standby";

        /// <summary>In <see cref="State"/>: it computes.</summary>
        public const string Training = "training";
    }

    /// <summary>Worker → coordinator: a server cannot be reached.</summary>
    public sealed record LinkLost(RunId Run, WorkerId Worker, NodeId Server, string Reason) : IProtocolMessage;

    /// <summary>
    /// Worker → coordinator: the loss or the gradient of a leaf is not finite. The order is that of the course of a pass:
    /// what is first in it is the cause of the rest.
    /// </summary>
    public sealed record NotFinite(RunId Run, WorkerId Worker, StepId Step, int Shard, int Order, string Where) : IProtocolMessage;

    /// <summary>Worker of shard 0 → coordinator, some fifty times in a run: what the parameters of this version look like.</summary>
    public sealed record Described(RunId Run, WorkerId Worker, StepId Version, ParameterSummary[] Tensors) : IProtocolMessage;

    /// <summary>Worker → coordinator: computing failed (not a lost connection).</summary>
    public sealed record Failed(RunId Run, WorkerId Worker, StepId Step, string Reason) : IProtocolMessage;
}

/// <summary>Between whoever wants a training and the coordinator.</summary>
public static class Submissions
{
    /// <summary>
    /// Train this; paths in it are relative to the base directory. Watched from the start. To resume: go on from the newest
    /// whole checkpoint in the run directory.
    /// </summary>
    public sealed record Submit(string ExperimentYaml, string FileName, string BaseDirectory, string? RunDirectory, bool EndCluster, bool Resume) : IProtocolMessage;

    /// <summary>Submitter → coordinator, now and then: I watch this run, also where the coordinator has begun anew.</summary>
    public sealed record Watch(RunId Run, string RunDirectory) : IProtocolMessage;

    /// <summary>Coordinator → submitter: the run has begun.</summary>
    public sealed record Accepted(RunId Run, string RunDirectory) : IProtocolMessage;

    /// <summary>Coordinator → submitter: not run, for these reasons (all of them).</summary>
    public sealed record Rejected(string[] Problems) : IProtocolMessage;

    /// <summary>Submitter → coordinator: stop the run and keep what was trained.</summary>
    public sealed record Stop(RunId Run) : IProtocolMessage;

    /// <summary>
    /// Operator → coordinator, repeated until it is answered: go on with these settings, <c>key=value</c> each; none: only say
    /// what they are. The request is a name that no other has.
    /// </summary>
    public sealed record Change(string Request, string[] Set) : IProtocolMessage;

    /// <summary>Coordinator → operator: it is being done; what it waits for.</summary>
    public sealed record ChangePending(string Request, string Waits) : IProtocolMessage;

    /// <summary>
    /// Coordinator → operator: this is how it is, for whoever computes, from this step on. No differences: it was so before;
    /// the step is the one from which on the mode holds.
    /// </summary>
    public sealed record Changed(string Request, RunId Run, string RunDirectory, StepId From, SettingDifference[] Differences, SettingDifference[] Settings) : IProtocolMessage;

    /// <summary>Coordinator → operator: nothing is changed, since the request is wrong, or since it could not be done.</summary>
    public sealed record NotChanged(string Request, bool IsWrong, string[] Problems) : IProtocolMessage;

    /// <summary>A key of the experiment with its value, and the one before it; null: it had none, or has the same.</summary>
    public sealed record SettingDifference(string Key, string? Before, string Value);

    /// <summary>Launcher → coordinator: a process that it had started is dead.</summary>
    public sealed record ProcessDied(int ProcessId, string Reason) : IProtocolMessage;

    /// <summary>Launcher → coordinator: a line for the run's log.</summary>
    public sealed record LogLine(string Source, string Text) : IProtocolMessage;

    /// <summary>Launcher → coordinator: no more attempts; the run fails if it cannot go on without.</summary>
    public sealed record GaveUp(string Role, string Reason) : IProtocolMessage;

    /// <summary>How one node stands: its address on the control plane, where it listens on the data plane, and what its steps cost; null: not known. A worker computes on so many threads.</summary>
    public sealed record NodeView(
        string Node, string Role, string Host, int ProcessId, string State, int[] Shards, double RowsPerSecond, string Address, string[] DataAddresses, StepCosts? Costs,
        int Threads = 1);

    /// <summary>Coordinator → submitter, several times a second: how the run stands.</summary>
    public sealed record View(
        RunId Run, string Phase, long Step, long Steps, long Epoch, long Epochs, double Loss, double? ValidationLoss, double? ValidationAccuracy,
        double RowsPerSecond, double StepsPerSecond, double Seconds, NodeView[] Nodes) : IProtocolMessage;

    /// <summary>Coordinator → submitter: something a person wants to know (a worker died, a shard moved).</summary>
    public sealed record Notice(RunId Run, string Text) : IProtocolMessage;

    /// <summary>Coordinator → submitter: over. The result is the text of result.json.</summary>
    public sealed record Ended(RunId Run, bool Succeeded, string? Failure, string? ResultJson, string RunDirectory) : IProtocolMessage;
}

/// <summary>What whoever shows runs elsewhere reads of their folders, by way of the coordinator. No path travels, only names that are looked up.</summary>
public static class RunFiles
{
    /// <summary>Visitor → coordinator: which runs are there after this name? None: from the first.</summary>
    public sealed record AskRuns(string After) : IProtocolMessage;

    /// <summary>Coordinator → visitor: runs in the order of their names, and whether there are more behind them.</summary>
    public sealed record Runs(ListedRun[] Listed, bool More) : IProtocolMessage;

    /// <summary>The name of a run's folder, and a number that is another one once any of its files has changed.</summary>
    public sealed record ListedRun(string Name, long State);

    /// <summary>
    /// Visitor → coordinator: what is new in a run's files since these marks? A file without a mark is not known yet. Without
    /// the growing ones: only of those that are small.
    /// </summary>
    public sealed record AskNews(string Run, Mark[] Marks, bool Growing) : IProtocolMessage;

    /// <summary>
    /// Up to where a file is known: its first bytes, so many of them. Whether it is still the same file shows in the stamp, of
    /// one that is replaced, or in the witness, of one that grows: the last of the known bytes.
    /// </summary>
    public sealed record Mark(string File, long Length, long Stamp, byte[] Witness);

    /// <summary>Coordinator → visitor: pieces, and whether there is more already. Not known: there is no run of this name.</summary>
    public sealed record News(string Run, bool IsKnown, Piece[] Pieces, bool More) : IProtocolMessage;

    /// <summary>
    /// Bytes of a file from an offset on; at offset 0 what was known of it before is void. The length is that of the whole
    /// file; -1: there is none any more.
    /// </summary>
    public sealed record Piece(string File, long Offset, long Length, long Stamp, byte[] Bytes);
}
