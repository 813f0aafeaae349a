/* What is under way from a state that its sender has left, and links that lost what was under way. */

mtype = { none, push, frame, host, assign };

#if LATE > 0
mtype lateKind = none;
byte lateTo;
byte lateFrom;
byte lateGeneration;
byte lateVersion;
byte lateSet;                   /* push: the leaf; assign: the leaves */
bool lateAsks;
byte lateLeft = LATE;

#define MAY_KEEP (lateLeft > 0 && lateKind == none)

inline keep(kind, to, sender, its, what, set, wish) {
    lateKind = kind; lateTo = to; lateFrom = sender; lateGeneration = its; lateVersion = what; lateSet = set; lateAsks = wish;
    lateLeft--;
    printf("under way: %e to %d of generation %d, version %d\n", lateKind, lateTo, lateGeneration, lateVersion)
}

inline forgetLate() {
    lateKind = none; lateTo = 0; lateFrom = 0; lateGeneration = 0; lateVersion = 0; lateSet = 0; lateAsks = false
}
#endif

#define PUSHES(w, p) (1 + (w) * 4 + (p))
#define PULLS(w, p) (3 + (w) * 4 + (p))
#define FENCES(p) (1 + WORKERS * 4 + (p))
#define ASSIGNS(w) (3 + WORKERS * 4 + (w))
#define LINKS (WORKERS * 5 + 2)

#if LOSSES > 0
byte losses = LOSSES;
byte mute;                      /* the link that lost what was under way; 0: none */
#define HEARD(link) (mute != (link))
/* What the sender says now is new: it was not lost. */
#define NEWS(first, last) if :: mute >= first && mute <= last -> mute = 0 :: else fi
#else
#define HEARD(link) true
#endif
