// Each test starts a cluster of processes: one after the other, so that they have the machine to themselves.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
