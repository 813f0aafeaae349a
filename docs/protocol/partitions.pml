/* A partition: it gathers the leaves of its version's step, makes the next version of them and keeps the one before. */

typedef Partition {
    byte generation;            /* the only one that may push; 0: an empty process */
    byte version;
    bool previous;              /* it has version - 1 too */
    byte gathered;              /* the leaves of step `version` that are there, a set */
    bool asks;                  /* lead: `version` asks for a checkpoint */
    bool asked;                 /* lead: version - 1 did */
    bool due;                   /* a push of this step carried that */
    byte snapshot;              /* the version that was kept aside; NOTHING: none */
    byte steps;                 /* what is in the parameters: so many whole steps, or WRONG */
#ifdef BREAK_DUPLICATE
    byte count;
#endif
#ifdef BREAK_DETERMINISM
    byte by[LEAVES];            /* who computed the gathered leaves, and what `version` and version - 1 were made of */
    byte bits;
    byte bitsBefore;
#endif
};

Partition part[PARTITIONS];

/* Written by the coordinator, below: the partitions of which version v has a file; the versions with a manifest. */
byte files[FINAL + 1];
byte manifests = BIT(0);        /* version 0 follows from the seed */

#define LIVES(p) (part[p].generation != 0)
#define HAS(p, v) (LIVES(p) && (part[p].version == (v) || (part[p].previous && part[p].version == (v) + 1)))
#define FINISHED (LIVES(0) && LIVES(1) && part[0].version == FINAL && part[1].version == FINAL)

#ifdef BREAK_STALE
#define CURRENT(p, g) LIVES(p)
#else
#define CURRENT(p, g) (LIVES(p) && part[p].generation == (g))
#endif
#ifdef BREAK_DUPLICATE
#define NEEDED(p, leaf) true
#define COMPLETE(p) (part[p].count == LEAVES)
#else
#define NEEDED(p, leaf) !(part[p].gathered & BIT(leaf))
#define COMPLETE(p) (part[p].gathered == ALL)
#endif
#ifdef BREAK_DETERMINISM
#define LOOK(p, v) (part[p].version == (v) -> part[p].bits : part[p].bitsBefore)
#else
#define LOOK(p, v) 0
#endif
/* Any other push is refused or ignored, which changes nothing. */
#define ACCEPTS(p, g, step, leaf) (CURRENT(p, g) && part[p].version == (step) && (step) < FINAL && NEEDED(p, leaf))

/* The partition drops a version: it may still be under way to a worker that waits for it. */
inline leaveFrames(p, old, wish) {
    skip
#if LATE > 0
    ;
    if
    :: MAY_KEEP -> select(k : 0 .. WORKERS - 1);
        if
        :: TAKES(k, p, part[p].generation, old) -> keep(frame, k, p, part[p].generation, old, 0, wish)
        :: else
        fi
    :: true
    fi
#endif
}

inline mayAsk(p) {
    if
    :: p == 0 && asksLeft > 0 && part[p].version < FINAL -> part[p].asks = true; asksLeft--
    :: true -> part[p].asks = false
    fi
}

inline accept(p, leaf, wish, who) {
    part[p].gathered = part[p].gathered | BIT(leaf);
    part[p].due = part[p].due || wish;
    printf("partition %d takes leaf %d of step %d\n", p, leaf, part[p].version);
#ifdef BREAK_DETERMINISM
    part[p].by[leaf] = who;
#endif
#ifdef BREAK_DUPLICATE
    part[p].count++;
#endif
    if
    :: COMPLETE(p) ->
        leaveFrames(p, part[p].version - 1, part[p].asked);
        /* A step is made of each of its leaves, once, and of nothing else. */
        part[p].steps = (part[p].gathered == ALL -> part[p].steps + 1 : WRONG);
        part[p].version++;
        printf("partition %d has version %d\n", p, part[p].version);
        assert(part[p].steps == part[p].version);
#ifdef BREAK_DETERMINISM
        part[p].bitsBefore = part[p].bits;
        part[p].bits = 1 + part[p].by[0] * WORKERS + part[p].by[1];
        part[p].by[0] = 0; part[p].by[1] = 0;
#endif
#ifdef BREAK_DUPLICATE
        part[p].count = 0;
#endif
#ifndef BREAK_PREVIOUS
        part[p].previous = true;
#endif
        part[p].asked = part[p].asks;
        part[p].gathered = 0;
        part[p].snapshot = (part[p].due -> part[p].version : part[p].snapshot);
        part[p].due = false;
        mayAsk(p);
        done = FINISHED
    :: else
    fi
}

/* Fence(g): what was gathered for an older generation is pushed again for this one. */
inline takeFence(p, g) {
#ifndef BREAK_KEEP
    if
    :: part[p].generation < g ->
        part[p].gathered = 0;
        part[p].due = false;
#ifdef BREAK_DUPLICATE
        part[p].count = 0;
#endif
#ifdef BREAK_DETERMINISM
        part[p].by[0] = 0; part[p].by[1] = 0
#endif
    :: else
    fi;
#endif
    part[p].generation = g;
    printf("partition %d is fenced in generation %d at version %d\n", p, part[p].generation, part[p].version)
}

inline dropState(p) {
    if
    :: LIVES(p) -> leaveFrames(p, part[p].version, part[p].asks)
    :: else
    fi;
    part[p].generation = 0; part[p].version = 0; part[p].previous = false; part[p].gathered = 0;
    part[p].asks = false; part[p].asked = false; part[p].due = false; part[p].snapshot = NOTHING; part[p].steps = 0;
#ifdef BREAK_DUPLICATE
    part[p].count = 0;
#endif
#ifdef BREAK_DETERMINISM
    part[p].by[0] = 0; part[p].by[1] = 0; part[p].bits = 0; part[p].bitsBefore = 0;
#endif
    printf("partition %d drops what it has\n", p)
}

/* Host(g, c): what its file of checkpoint c holds becomes its state. */
inline goBack(p, g, c) {
    dropState(p);
    part[p].generation = g;
    part[p].version = c;
    part[p].steps = (c == 0 || (files[c] & BIT(p)) -> c : WRONG);
    printf("partition %d goes to checkpoint %d in generation %d\n", p, part[p].version, part[p].generation);
    assert(part[p].steps == part[p].version);
#ifdef REACH_CHECKPOINT
    assert(c == 0);
#endif
    mayAsk(p);
    done = FINISHED
}
