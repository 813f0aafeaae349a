// Most tests start a cluster of processes, which wait more than they compute: two at a time. What needs the machine to itself
// is in the collection of those that do, which run one by one.
[assembly: CollectionBehavior(MaxParallelThreads = 2)]
