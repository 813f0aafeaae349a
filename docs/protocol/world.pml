/* What can happen: each line is one atomic step. */

byte asksLeft = CHECKPOINTS;
byte faults = FAULTS;

#define PUSHABLE(w, p, leaf) ((work[w].leaves & BIT(leaf)) && ACCEPTS(p, work[w].generation, work[w].version, leaf))

/* Between a worker and a partition: pushes go there, parameters come back. */
proctype Connection(byte w; byte p) {
end:
    do
    :: atomic { !done && COMPUTES(w) && HEARD(PUSHES(w, p)) && (PUSHABLE(w, p, 0) || PUSHABLE(w, p, 1)) ->
        if
        :: PUSHABLE(w, p, 0) -> x = 0
        :: PUSHABLE(w, p, 1) -> x = 1
        fi;
        accept(p, x, work[w].asks, w) }
#ifdef BREAK_MIXED
    :: atomic { !done && LIVES(p) && TAKES(w, p, part[p].generation, part[p].version) -> takePart(w, p, part[p].version, part[p].asks, 0) }
#else
    :: atomic { !done && HEARD(PULLS(w, p)) && HAS(p, work[w].wants) && TAKES(w, p, part[p].generation, work[w].wants) ->
        x = (part[p].version == work[w].wants -> part[p].asks : part[p].asked);
        k = LOOK(p, work[w].wants);
        takePart(w, p, work[w].wants, x, k) }
#endif
    /* Who may push must be able to pull what it needs for it. */
    :: atomic { !done && WAITS(w) && work[w].parts[p] == NOTHING && work[w].generation == part[p].generation &&
        work[w].wants < part[p].version && !HAS(p, work[w].wants) ->
        assert(HAS(p, work[w].wants)) }
    od
}

/* Between the coordinator and a partition. */
proctype Control(byte p) {
end:
    do
    :: atomic { !done && fencing && !rollback && answer[p] == NOTHING && HEARD(FENCES(p)) && LIVES(p) && part[p].generation <= generation ->
        takeFence(p, generation); answer[p] = part[p].version }
    :: atomic { !done && fencing && rollback && answer[p] == NOTHING && HEARD(FENCES(p)) && part[p].generation < generation ->
        goBack(p, generation, from); answer[p] = from }
    /* It was told before, but its answer is not known: it answers again, and does not go back again. */
    :: atomic { !done && fencing && rollback && answer[p] == NOTHING && HEARD(FENCES(p)) && part[p].generation == generation ->
        answer[p] = part[p].version }
#ifdef BREAK_HOST_AGAIN
    :: atomic { !done && RUNS && part[p].generation == generation && part[p].version > from -> goBack(p, generation, from) }
#endif
#ifdef BREAK_ASK
    /* A partition that answers with a higher generation. */
    :: atomic { !done && fencing && part[p].generation > generation -> leaveOrders(); k = part[p].generation; fence(k + 1) }
#endif
    od
}

/* Between the coordinator and a worker. */
proctype Membership(byte w) {
end:
    do
    :: atomic { !done && ASSIGNED && IS_USABLE(w) && work[w].up && work[w].generation < generation && HEARD(ASSIGNS(w)) ->
        x = LEAVES_OF(w); takeAssignment(w, generation, from, x) }
    /* It is lost: that changes who computes, if it had something to compute. */
    :: atomic { !done && RUNS && IS_USABLE(w) && !work[w].up ->
        usable = usable & ~BIT(w);
        if :: OWNS(w) -> nextGeneration() :: else fi }
    /* A new one joins, or one that was given up is heard of again. */
    :: atomic { !done && RUNS && !IS_USABLE(w) && !work[w].gone ->
        work[w].up = true; usable = usable | BIT(w);
        printf("worker %d joins\n", w);
        if :: ASSIGNED -> nextGeneration() :: else fi }
    od
}

proctype Coordinator() {
end:
    do
    :: atomic { !done && ANSWERED && !TOO_FAR && usable != 0 -> assignAnew() }
    /* A server died, or nobody can go on from here: all go back, also those that live. */
    :: atomic { !done && RUNS && (lost != 0 || TOO_FAR) -> lost = 0; rollback = true; nextGeneration() }
    :: atomic { !done && !RUNS -> begins() }
    /* Checkpoints: a file for each partition's snapshot of the version, the manifest last. */
    :: atomic { !done && RUNS && part[0].snapshot != NOTHING && !(files[part[0].snapshot] & 1) ->
        files[part[0].snapshot] = files[part[0].snapshot] | 1 }
    :: atomic { !done && RUNS && part[1].snapshot != NOTHING && !(files[part[1].snapshot] & 2) ->
        files[part[1].snapshot] = files[part[1].snapshot] | 2 }
    :: atomic { !done && RUNS && WHOLE(1) && !(manifests & BIT(1)) -> manifests = manifests | BIT(1); printf("checkpoint 1 is complete\n") }
    :: atomic { !done && RUNS && WHOLE(2) && !(manifests & BIT(2)) -> manifests = manifests | BIT(2); printf("checkpoint 2 is complete\n") }
    od
}

#if LATE > 0
/* What was under way arrives, whatever has become of its sender, or never does. */
proctype Late() {
end:
    do
    :: atomic { !done && lateKind == push && ACCEPTS(lateTo, lateGeneration, lateVersion, lateSet) ->
        printf("late:\n"); accept(lateTo, lateSet, lateAsks, 0); forgetLate() }
    :: atomic { !done && lateKind == frame && TAKES(lateTo, lateFrom, lateGeneration, lateVersion) ->
        printf("late: version %d of partition %d for worker %d\n", lateVersion, lateFrom, lateTo);
        takePart(lateTo, lateFrom, lateVersion, lateAsks, 0); forgetLate() }
    :: atomic { !done && lateKind == host && part[lateTo].generation < lateGeneration && (LIVES(lateTo) || lateVersion != NOTHING) ->
        printf("late:\n");
        if
        :: lateVersion == NOTHING -> takeFence(lateTo, lateGeneration)
        :: else -> goBack(lateTo, lateGeneration, lateVersion)
        fi;
        forgetLate() }
    :: atomic { !done && lateKind == assign && work[lateTo].up && work[lateTo].generation < lateGeneration ->
        printf("late:\n"); takeAssignment(lateTo, lateGeneration, lateVersion, lateSet); forgetLate() }
    :: atomic { !done && lateKind != none -> forgetLate() }
    od
}
#endif

inline crashWorker(w) {
    leavePushes(w);
#if LATE > 0
    /* What is sent to a process does not reach another one. */
    if :: lateTo == w && (lateKind == frame || lateKind == assign) -> forgetLate() :: else fi;
#endif
    work[w].up = false; work[w].generation = 0; work[w].leaves = 0; work[w].version = NOTHING; work[w].wants = 0; work[w].asks = false;
    clearInbox(w);
    if
    :: !SOMEBODY_GONE -> work[w].gone = true
    :: true
    fi;
    printf("worker %d dies\n", w)
}

inline crashServer(set) {
    for (p : 0 .. PARTITIONS - 1) {
        if
        :: (set & BIT(p)) && LIVES(p) -> dropState(p); lost = (RUNS -> lost | BIT(p) : 0)
        :: else
        fi
    }
    p = 0
}

proctype Faults() {
    byte i;
    byte p;
end:
    do
    :: atomic { !done && WORKERS_DIE && faults > 0 -> faults--; select(i : 0 .. WORKERS - 1);
        if :: work[i].up -> crashWorker(i) :: else fi;
        i = 0 }
    :: atomic { !done && CUT_OFFS && faults > 0 && RUNS -> faults--; select(i : 0 .. WORKERS - 1);
        if
        :: IS_USABLE(i) && work[i].up -> usable = usable & ~BIT(i);
            printf("worker %d is cut off\n", i);
            if :: OWNS(i) -> nextGeneration() :: else fi
        :: else
        fi;
        i = 0 }
    :: atomic { !done && SERVERS_DIE && faults > 0 && (LIVES(0) || LIVES(1)) -> faults--; select(i : 1 .. ALL); crashServer(i); i = 0 }
    :: atomic { !done && COORDINATOR_DIES && faults > 0 && RUNS -> faults--; dies() }
#if LOSSES > 0
    :: atomic { !done && losses > 0 && mute == 0 -> losses--; select(i : 1 .. LINKS); mute = i; i = 0 }
#ifndef BREAK_SILENCE
    :: atomic { !done && mute != 0 -> mute = 0 }
#endif
#endif
    od
}

/* Fewer faults than may be, too: nothing that hangs may be saved by a further fault. */
inline upTo(budget) {
    do
    :: budget > 0 -> budget--
    :: break
    od
}

init {
    byte i;
    byte p;
    atomic {
        upTo(faults);
        part[0].snapshot = NOTHING; part[1].snapshot = NOTHING;
        for (i : 0 .. WORKERS - 1) {
            work[i].up = true; work[i].version = NOTHING; clearInbox(i)
        }
        usable = ALL_WORKERS; rollback = true; fence(1);
        for (i : 0 .. WORKERS - 1) {
            run Membership(i);
            for (p : 0 .. PARTITIONS - 1) {
                run Connection(i, p)
            }
        }
        run Control(0); run Control(1); run Coordinator(); run Faults();
#if LATE > 0
        run Late();
#endif
        i = 0; p = 0
    }
    /* Nothing can happen any more: the training is over, or it hangs. */
end:
    timeout -> assert(done)
}
