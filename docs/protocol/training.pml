/*
 * The protocol of docs/protocol.md: generations, leaves, a step across partitions, checkpoints and going back to one.
 *
 * How messages are modelled. What a side repeats until it is answered can be received as long as that side's state says it,
 * any number of times: that is a message which may be delayed, lost and repeated. What a side said in a state that it has
 * left may still arrive: late.pml keeps up to LATE of such messages in a run. LOSSES of the links lose what is under way
 * and hear nothing until the sender repeats it.
 *
 * Each BREAK_ leaves one rule out; the check must then find what comes of it.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef FINAL
#define FINAL 2                 /* the version that ends the training */
#endif
#ifndef FAULTS
#define FAULTS 0                /* how many in a run, each of any of these kinds */
#endif
#ifndef WORKERS_DIE
#define WORKERS_DIE 1
#endif
#ifndef CUT_OFFS
#define CUT_OFFS 1              /* the coordinator gives up a worker that lives */
#endif
#ifndef SERVERS_DIE
#define SERVERS_DIE 1           /* with one partition or with both */
#endif
#ifndef COORDINATOR_DIES
#define COORDINATOR_DIES 1
#endif
#ifndef CHECKPOINTS
#define CHECKPOINTS 0           /* how often the lead partition may ask for one */
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef LOSSES
#define LOSSES 0
#endif

#define PARTITIONS 2
#define LEAVES 2
#define ALL 3                   /* both leaves, or both partitions, as a set */
#define NOTHING 15              /* no version */
#define WRONG 14                /* parameters that no sequence of whole steps makes */
#define BIT(i) (1 << (i))
#define ALL_WORKERS (BIT(WORKERS) - 1)

bool done;                      /* every partition has the final version */
/* Scratch within one atomic step: k and m choose what stays under way. */
hidden byte k;
hidden byte m;
hidden byte x;

#include "messages.pml"
#include "workers.pml"
#include "partitions.pml"
#include "coordinator.pml"
#include "world.pml"
