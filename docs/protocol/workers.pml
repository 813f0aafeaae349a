/* A worker: it holds one whole version, computes its leaves with it, pushes them to all partitions, pulls the next version. */

typedef Worker {
    bool up;
    bool gone;                  /* dead, and no other comes in its place */
    byte generation;            /* of its assignment; 0: none yet */
    byte leaves;                /* its assignment, a set */
    byte version;               /* what it holds, and pushes of; NOTHING: still moving to `wants` */
    byte wants;                 /* the version that it pulls */
    byte parts[PARTITIONS];     /* of each partition, the version that has arrived; NOTHING: not yet */
    bool asks;                  /* its version asks for a checkpoint */
    bool partAsks;              /* so does what has arrived of the lead partition */
#ifdef BREAK_DETERMINISM
    byte bits[PARTITIONS];      /* who computed what has arrived */
#endif
};

Worker work[WORKERS];

#define COMPUTES(w) (work[w].up && work[w].version != NOTHING && work[w].version < FINAL)
#define WAITS(w) (work[w].up && work[w].leaves != 0 && work[w].wants <= FINAL)

/* What a partition sent in an earlier generation may be what it has gone back from. */
#ifdef BREAK_OLD_FRAME
#define IN_TIME(w, g) true
#else
#define IN_TIME(w, g) ((g) >= work[w].generation)
#endif
#ifdef BREAK_MIXED
#define FITS(w, v) true
#else
#define FITS(w, v) (work[w].wants == (v))
#endif
#define TAKES(w, p, g, v) (WAITS(w) && work[w].parts[p] == NOTHING && FITS(w, v) && IN_TIME(w, g))

/* The worker leaves a state: a push that it made there may still be under way. */
inline leavePushes(w) {
    skip
#if LATE > 0
    ;
    if
    :: MAY_KEEP && COMPUTES(w) -> select(k : 0 .. PARTITIONS - 1); select(m : 0 .. LEAVES - 1);
        if
        :: work[w].leaves & BIT(m) -> keep(push, k, 0, work[w].generation, work[w].version, m, work[w].asks)
        :: else
        fi
    :: true
    fi
#endif
#if LOSSES > 0
    ;
    NEWS(PUSHES(w, 0), PULLS(w, 1))
#endif
}

inline clearInbox(w) {
    work[w].parts[0] = NOTHING; work[w].parts[1] = NOTHING; work[w].partAsks = false
}

/* Assign(g, f, set). What it holds it keeps, and pushes anew, unless that is another version. */
inline takeAssignment(w, g, f, set) {
    leavePushes(w);
    work[w].generation = g;
    work[w].leaves = set;
    printf("worker %d is in generation %d: from version %d, leaves %d\n", w, work[w].generation, f, work[w].leaves);
    clearInbox(w);
    if
    :: work[w].leaves == 0 || work[w].version != f -> work[w].version = NOTHING; work[w].wants = f; work[w].asks = false
    :: else -> work[w].wants = f + 1
    fi
}

/* Version `got` of partition p arrives. With the last one the version is whole. */
inline takePart(w, p, got, wish, look) {
    work[w].parts[p] = got;
    work[w].partAsks = work[w].partAsks || (p == 0 && wish);
#ifdef BREAK_DETERMINISM
    work[w].bits[p] = look;
#endif
    if
    :: work[w].parts[0] != NOTHING && work[w].parts[1] != NOTHING ->
        /* Never one partition of one version and another of another. */
        assert(work[w].parts[0] == work[w].wants && work[w].parts[1] == work[w].wants);
#ifdef BREAK_DETERMINISM
        assert(work[w].bits[0] == work[w].bits[1]);
#endif
        leavePushes(w);
        work[w].version = work[w].wants;
        work[w].asks = work[w].partAsks;
        work[w].wants++;
        printf("worker %d has version %d\n", w, work[w].version);
        clearInbox(w)
    :: else
    fi
}
