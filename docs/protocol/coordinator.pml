/* The coordinator: generations, who computes what, checkpoints. It is not in the step loop. */

byte generation;                /* 0: it died, and the next one has not begun */
bool fencing;
bool rollback;                  /* the partitions go back to a checkpoint: Host, not Fence */
byte from;                      /* the checkpoint, or the version from which the generation goes on */
byte answer[PARTITIONS];        /* v of Fenced(generation, v); NOTHING: not answered */
byte usable;                    /* the workers it counts on, a set */
byte owner[LEAVES];
byte lost;                      /* partitions of whose server's death it was told, a set */
byte used;                      /* in the run folder: the last generation, noted before it is used */

#define RUNS (generation != 0)
#define IS_USABLE(w) (usable & BIT(w))
#define BOTH(a, b) (IS_USABLE(a) && IS_USABLE(b))
#define ASSIGNED (RUNS && !fencing)
#define OWNS(w) (ASSIGNED && (owner[0] == w || owner[1] == w))
#define LEAVES_OF(w) ((owner[0] == w -> 1 : 0) | (owner[1] == w -> 2 : 0))
#define FIRST (generation == 1 && usable == ALL_WORKERS)
#if WORKERS > 2
#define ALIVE ((work[0].up -> 1 : 0) | (work[1].up -> 2 : 0) | (work[2].up -> 4 : 0))
#define SOMEBODY_GONE (work[0].gone || work[1].gone || work[2].gone)
#else
#define ALIVE ((work[0].up -> 1 : 0) | (work[1].up -> 2 : 0))
#define SOMEBODY_GONE (work[0].gone || work[1].gone)
#endif
#if FINAL > 2
#define NEWEST ((manifests & 8) -> 3 : ((manifests & 4) -> 2 : ((manifests & 2) -> 1 : 0)))
#else
#define NEWEST ((manifests & 4) -> 2 : ((manifests & 2) -> 1 : 0))
#endif
#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

#ifdef BREAK_FENCE_ONE
#define ENOUGH !rollback && (answer[0] != NOTHING || answer[1] != NOTHING)
#else
#define ENOUGH false
#endif
#define ANSWERED (fencing && (ENOUGH || (answer[0] != NOTHING && answer[1] != NOTHING)))
/* No version that all have: an earlier coordinator died while the partitions were going back. */
#ifdef BREAK_APART
#define TOO_FAR false
#else
#define TOO_FAR (ANSWERED && !rollback && answer[0] != NOTHING && answer[1] != NOTHING && MAX(answer[0], answer[1]) > MIN(answer[0], answer[1]) + 1)
#endif
#ifdef BREAK_TORN
#define WHOLE(v) (files[v] & BIT(0))
#else
#define WHOLE(v) (files[v] == ALL)
#endif

/* It changes its mind, or dies: one of the messages that it repeated may still be under way. */
inline leaveOrders() {
    skip
#if LATE > 0
    ;
    if
    :: MAY_KEEP && fencing -> select(k : 0 .. PARTITIONS - 1);
        if
        :: answer[k] == NOTHING -> m = (rollback -> from : NOTHING); keep(host, k, 0, generation, m, 0, false)
        :: else
        fi
    :: MAY_KEEP && ASSIGNED -> select(k : 0 .. WORKERS - 1);
        if
        :: IS_USABLE(k) && work[k].up && work[k].generation < generation -> m = LEAVES_OF(k); keep(assign, k, 0, generation, from, m, false)
        :: else
        fi
    :: true
    fi
#endif
#if LOSSES > 0
    ;
    NEWS(FENCES(0), ASSIGNS(WORKERS - 1))
#endif
}

/* The rest is forgotten, so that states that mean the same are the same. */
inline fence(next) {
    generation = next;
    used = generation;
    fencing = true;
    answer[0] = NOTHING; answer[1] = NOTHING;
    owner[0] = 0; owner[1] = 0;
    from = (rollback -> NEWEST : 0);
    printf("coordinator: generation %d, rollback %d\n", generation, rollback)
}

inline nextGeneration() {
    leaveOrders();
    fence(generation + 1)
}

/* All are fenced: on from the version that all have. Nobody gets two leaves where somebody gets none. */
inline assignAnew() {
    from = (rollback -> from : MIN(answer[0], answer[1]));
    printf("coordinator: generation %d goes on from version %d; the answers were %d and %d\n", generation, from, answer[0], answer[1]);
    /* What it goes on from can be pulled, from whoever has not died since. */
    assert(part[0].generation != generation || HAS(0, from));
    assert(part[1].generation != generation || HAS(1, from));
    assert(!rollback || (manifests & BIT(from)));
    rollback = false; fencing = false;
    answer[0] = NOTHING; answer[1] = NOTHING;
    if
    /* Leaves are alike and workers are alike: the first may as well be this one. */
    :: FIRST -> owner[0] = 0; owner[1] = 1
    :: !FIRST && usable == BIT(0) -> owner[0] = 0; owner[1] = 0
    :: !FIRST && usable == BIT(1) -> owner[0] = 1; owner[1] = 1
    :: !FIRST && BOTH(0, 1) -> owner[0] = 0; owner[1] = 1
    :: !FIRST && BOTH(0, 1) -> owner[0] = 1; owner[1] = 0
#if WORKERS > 2
    :: !FIRST && usable == BIT(2) -> owner[0] = 2; owner[1] = 2
    :: !FIRST && BOTH(0, 2) -> owner[0] = 0; owner[1] = 2
    :: !FIRST && BOTH(0, 2) -> owner[0] = 2; owner[1] = 0
    :: !FIRST && BOTH(1, 2) -> owner[0] = 1; owner[1] = 2
    :: !FIRST && BOTH(1, 2) -> owner[0] = 2; owner[1] = 1
#endif
    fi
}

inline dies() {
    leaveOrders();
    generation = 0; fencing = false; rollback = false; from = 0; usable = 0; lost = 0;
    answer[0] = NOTHING; answer[1] = NOTHING; owner[0] = 0; owner[1] = 0;
    printf("the coordinator dies\n")
}

inline raise(seen) {
    k = (seen > k -> seen : k)
}

/* The next coordinator knows the run folder, and who is there. */
inline begins() {
    rollback = !LIVES(0) || !LIVES(1);
    usable = ALIVE;
#if defined(BREAK_FORGET)
    k = 0;
#elif defined(BREAK_ASK)
    k = 0; raise(part[0].generation); raise(part[1].generation); raise(work[0].generation); raise(work[1].generation);
#else
    k = used;
#endif
    fence(k + 1)
}
