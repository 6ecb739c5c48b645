/* The doorbell: writers who ring only when nobody is awake, one relay that may sleep, stand-bys that may replace it.
 *
 * README.md beside this says which line of the SQL and of the relay each step stands for, what is left out, and what
 * each variant (a name given with -D) breaks. A d_step is what PostgreSQL or one process does in one piece.
 */
#ifndef WRITERS
#define WRITERS 2 /* transactions that write one row each */
#endif
#ifndef SIDECARS
#define SIDECARS 2
#endif
#ifndef BREAKS
#define BREAKS 1 /* how often something freezes or a session is cut; frozen and then cut is dead */
#endif
#ifndef HELD
#define HELD 0 /* drains that do nothing, for the NOTIFY queue is too full */
#endif
#ifndef LEAKS
#define LEAKS 0 /* writers cancelled between taking their share of the flag and giving it back */
#endif
#define NOBODY 0


/* ---- transactions: ids from 1 on, sets of them as bits ---- */
byte next = 1;    /* the id that the next transaction gets */
byte latest;      /* the highest that has ended */
byte running;     /* have an id and have not ended */
byte visible;     /* committed, and their row has not been drained: "rows waiting" */
byte drained;

#define BIT(x)     (1 << (x))
#define FROM(x)    (255 & (255 << (x)))
#define BELOW(x)   (BIT(x) - 1)
#define LOWEST(m)  ((m) & -(m))
#define NUMBER(b)  (((b) & 2) / 2 + ((b) & 4) / 2 + 3 * ((b) & 8) / 8 + ((b) & 16) / 4)
/* pg_snapshot_xmax: one above the last that ended; a running one can be at or above it */
#define XMAX       (latest + 1)
#define XIP        (running & BELOW(XMAX))
#define XMIN       (XIP -> NUMBER(LOWEST(XIP)) : XMAX)

/* ---- locks and notifications: the holder is a sidecar's relay session ---- */
byte role;        /* advisory lock (class, 1) */
byte flag;        /* advisory lock (class, 2), exclusive: awake */
bool leaked;      /* a share of (class, 2) that a writer's session keeps */
bool listening;   /* the holder of the role LISTENs */
bool rung;        /* it has been NOTIFYed and has not looked yet */
byte doomed;      /* its session has been told to end */

byte noted;       /* a sequence: all below it have ended and are drained. A relay may note that later, or never */

/* ---- what the holder of the role keeps in memory; it begins anew with each session ---- */
byte low, late;                       /* from where on, and which of before */
bool in_round;                        /* the last batch was full */
byte round_xmin, round_xmax, round_xip; /* the round's snapshot: that of its first batch */
byte fence;
/* ---- its drain in flight: one statement, one transaction ---- */
byte drainer, drain_id, take, reached;
#if defined(FENCE_BATCH) || defined(ROUND_LAST)
byte batch_xmin, batch_xmax, batch_xip;
#endif

/* ---- sidecars ---- */
mtype = { LOOKS, TRIES, SHOOTS, LISTENS, WAKES, POLLS, POLLING, GIVES, FENCES, DOZES, DOZING, ASLEEP, NAPS, NAPPING,
          SUBSCRIBES };
mtype at[SIDECARS + 1] = LOOKS;
bool frozen[SIDECARS + 1];
byte seen[SIDECARS + 1];   /* a stand-by's last look: who held the role */
bool moved[SIDECARS + 1];  /* beats have moved since */
bool due[SIDECARS + 1];    /* time: a healthy relay beats before this stand-by looks again */
bool sick;                 /* the holder's session has been frozen at some time */
byte breaks = BREAKS, held = HELD, leaks = LEAKS;

#ifdef TWO_SESSIONS
#define MINE(me) (!frozen[me])
#define ALIVE(me) true
#else
#define MINE(me) (!frozen[me] && role == me)
#define ALIVE(me) (role == me)
#endif
#if SIDECARS == 2
#define ANY_DUE (due[1] || due[2])
#define OTHER_UP(s) (!frozen[3 - s])
#elif SIDECARS == 3
#define ANY_DUE (due[1] || due[2] || due[3])
#define OTHER_UP(s) ((s != 1 && !frozen[1]) || (s != 2 && !frozen[2]) || (s != 3 && !frozen[3]))
#endif

inline nobody_due() { due[1] = false; due[2] = false;
#if SIDECARS == 3
    due[3] = false;
#endif
}
inline forget(who) { if :: seen[who] == role -> seen[who] = NOBODY; moved[who] = false :: else fi }

/* nextval('notifychannel.relay_beats') */
inline beat() {
    moved[1] = (seen[1] != NOBODY); moved[2] = (seen[2] != NOBODY);
#if SIDECARS == 3
    moved[3] = (seen[3] != NOBODY);
#endif
    nobody_due()
}

/* pg_try_advisory_lock: never waited for */
inline take_flag(me) { if :: !leaked -> flag = me :: else fi }

inline ended(x) { running = running & ~BIT(x); if :: x > latest -> latest = x :: else fi }

inline no_drain() { drainer = NOBODY; drain_id = 0; take = 0; reached = 0 }

/* The backend ends: its transaction is rolled back, then its locks go, and what it had heard goes with it. */
inline session_ends() {
#ifndef TWO_SESSIONS
    no_drain();
#endif
    if :: flag == role -> flag = NOBODY :: else fi;
#ifndef BEATS_ONLY
    forget(1); forget(2);
#if SIDECARS == 3
    forget(3);
#endif
#endif
    role = NOBODY; doomed = NOBODY; listening = false; rung = false; sick = false;
    low = noted; late = 0; in_round = false; round_xmin = 0; round_xmax = 0; round_xip = 0; fence = 0;
    nobody_due()
}

#ifdef LARGE_BATCHES
#define MORE false
#else
#define MORE (take != 0)
#endif

/* drain(low, late, most) until its commit: a beat, a snapshot, the rows. */
inline drain_begins(me) {
    beat();
    assert(role == me && drainer == NOBODY); /* at most one drains, and under the role's lock */
    drainer = me;
    printf("sidecar %d begins a drain\n", me);
    drain_id = next;
#ifdef NOTED_EARLY
    if :: !in_round -> noted = XMIN :: else fi;
#endif
    if
    :: !in_round -> round_xmin = XMIN; round_xmax = XMAX; round_xip = XIP
    :: else
    fi;
#if defined(FENCE_BATCH) || defined(ROUND_LAST)
    batch_xmin = XMIN; batch_xmax = XMAX; batch_xip = XIP;
#endif
#ifdef LARGE_BATCHES
    take = visible & (late | FROM(low))
#else
    /* most = 1: one of the late, and one of the others in order of their ids */
    reached = LOWEST(visible & ~late & FROM(low));
    take = LOWEST(visible & late) | reached
#endif
}

inline drain_commits(me) {
    assert(drainer == me && role == me);
#ifdef OTHERS_DELETE
    take = take & visible; /* what it has deleted, of those that it chose */
#endif
    assert((take & visible) == take && (take & drained) == 0); /* only what was committed, and only once */
    if :: take -> printf("sidecar %d commits a drain that took rows\n", me) :: else -> printf("sidecar %d commits a drain that found nothing\n", me) fi;
    drained = drained | take;
    visible = visible & ~take;
    if :: take && drain_id - 1 > latest -> latest = drain_id - 1 :: else fi;
    in_round = MORE;
    if
#ifdef ROUND_LAST
    :: !MORE -> low = batch_xmax; late = batch_xip
#else
    :: !MORE -> low = round_xmax; late = round_xip; /* complete: fewer than `most` came */
#if defined(NOTED_XMAX)
        noted = round_xmax
#elif !defined(NOTED_EARLY)
        noted = round_xmin
#endif
#endif
    :: MORE && reached -> low = NUMBER(reached)
    :: else
    fi
}

inline round_is_forgotten() { if :: !in_round -> round_xmin = 0; round_xmax = 0; round_xip = 0 :: else fi }

#if defined(FENCE_AFTER)
#define OVER (XMIN >= fence)
#elif defined(FENCE_BATCH)
#define OVER (batch_xmin >= fence)
#else
#define OVER (round_xmin >= fence)
#endif

#if defined(SHOOT_WAITING)
#define STANDS_STILL(me) (seen[me] == role)
#elif defined(BEATS_ONLY)
#define STANDS_STILL(me) (seen[me] != NOBODY && !moved[me])
#else
#define STANDS_STILL(me) (seen[me] == role && !moved[me])
#endif

/* pg_terminate_backend */
inline shoot(me) {
    assert(sick);       /* never one that has always been well */
    assert(!moved[me]); /* nor one that has beaten since the look before */
    doomed = role;
    printf("sidecar %d has the relay terminated\n", me)
}

proctype Sidecar(byte me) {
end:
    do
    /* ---- stand-by ---- */
#ifdef HASTY_LOOKS
    :: d_step { at[me] == LOOKS && !frozen[me] ->
#else
    :: d_step { at[me] == LOOKS && !frozen[me] && !due[me] ->
#endif
        if
        :: role == NOBODY -> at[me] = TRIES; seen[me] = NOBODY; moved[me] = false
#ifdef STALE_SHOT
        :: role != NOBODY && STANDS_STILL(me) && visible -> at[me] = SHOOTS
#else
        :: role != NOBODY && STANDS_STILL(me) && visible -> shoot(me)
#endif
        :: else -> seen[me] = role; moved[me] = false; due[me] = !frozen[role]; printf("sidecar %d looks at the relay\n", me)
        fi }
    :: d_step { at[me] == SHOOTS && !frozen[me] ->
        if :: role != NOBODY && seen[me] == role && doomed == NOBODY -> shoot(me) :: else fi;
        at[me] = LOOKS }
    :: d_step { at[me] == TRIES && !frozen[me] ->
        if
        :: role == NOBODY -> role = me; at[me] = LISTENS; printf("sidecar %d takes the role\n", me)
        :: else -> at[me] = LOOKS
        fi }
    /* ---- relay ---- */
    :: d_step { at[me] == LISTENS && MINE(me) ->
#if defined(LISTEN_LATE)
        at[me] = WAKES
#elif defined(START_ASLEEP)
        listening = true; at[me] = NAPS
#else
        listening = true; at[me] = WAKES; printf("sidecar %d LISTENs\n", me)
#endif
        }
#ifdef FLAG_WAIT
    :: d_step { at[me] == WAKES && MINE(me) && !leaked -> flag = me; rung = false; fence = 0; at[me] = POLLS; printf("sidecar %d wakes\n", me) }
#else
    :: d_step { at[me] == WAKES && MINE(me) ->
        rung = false; fence = 0; at[me] = POLLS;
#ifndef FLAG_AFTER_DRAIN
        take_flag(me);
#endif
        printf("sidecar %d wakes\n", me) }
#endif
    :: d_step { at[me] == POLLS && MINE(me) -> drain_begins(me); at[me] = POLLING }
#ifdef FLAG_AFTER_DRAIN
    :: d_step { at[me] == POLLING && MINE(me) && !leaked && flag == NOBODY -> flag = me }
#endif
    :: d_step { at[me] == POLLING && ALIVE(me) ->
        drain_commits(me);
        if
        :: take -> at[me] = POLLS
#if defined(FENCE_EARLY)
        :: else -> at[me] = FENCES
#else
        :: else -> at[me] = GIVES
#endif
        fi;
        round_is_forgotten(); no_drain() }
    :: d_step { at[me] == GIVES && MINE(me) ->
        if :: flag == me -> flag = NOBODY :: else fi;
        printf("sidecar %d lowers the flag\n", me);
#if !defined(CLEAR_LATE) && !defined(NO_DOZE) && !defined(HELD_EMPTY)
        rung = false; /* a drain follows */
#endif
#if defined(NO_DOZE)
        at[me] = ASLEEP
#elif defined(FENCE_EARLY)
        at[me] = DOZES
#else
        at[me] = FENCES
#endif
        }
    :: d_step { at[me] == FENCES && MINE(me) ->
        printf("sidecar %d takes a fence\n", me);
#ifdef FENCE_XMAX
        fence = XMAX;
#else
        fence = next; latest = next - 1; /* pg_current_xact_id(), a transaction of its own */
#endif
#ifdef FENCE_EARLY
        at[me] = GIVES
#else
        at[me] = DOZES
#endif
        }
    :: d_step { at[me] == DOZES && MINE(me) ->
        if
        :: rung -> at[me] = WAKES; printf("sidecar %d hears the bell, dozing\n", me)
        :: else -> drain_begins(me); at[me] = DOZING
        fi }
    :: d_step { at[me] == DOZING && ALIVE(me) ->
        drain_commits(me);
        if
        :: !MORE && OVER -> fence = 0; printf("sidecar %d is past the fence\n", me);
#if defined(LISTEN_LATE)
            at[me] = (listening -> ASLEEP : SUBSCRIBES)
#elif defined(CLEAR_LATE)
            rung = false; at[me] = ASLEEP
#else
            at[me] = ASLEEP
#endif
        :: else -> at[me] = DOZES
        fi;
        round_is_forgotten(); no_drain() }
    :: d_step { at[me] == SUBSCRIBES && MINE(me) -> listening = true; at[me] = ASLEEP; printf("sidecar %d LISTENs\n", me) }
    :: d_step { at[me] == ASLEEP && MINE(me) && rung -> at[me] = WAKES; printf("sidecar %d hears the bell\n", me) }
#ifdef SAFETY_POLL
    :: d_step { at[me] == ASLEEP && MINE(me) && !rung && (ANY_DUE || visible) -> at[me] = NAPS }
#else
    :: d_step { at[me] == ASLEEP && MINE(me) && !rung && ANY_DUE -> beat(); printf("sidecar %d beats in its sleep\n", me) }
#endif
    :: d_step { at[me] == NAPS && MINE(me) -> drain_begins(me); at[me] = NAPPING }
    :: d_step { at[me] == NAPPING && ALIVE(me) ->
        drain_commits(me);
        if
#ifdef START_ASLEEP
        :: take -> at[me] = NAPS
#else
        :: take -> at[me] = WAKES
#endif
        :: else -> at[me] = ASLEEP
        fi;
        round_is_forgotten(); no_drain() }
    /* the NOTIFY queue is too full: a drain that only beats */
#ifdef HELD_EMPTY
    :: d_step { at[me] == POLLS && MINE(me) && held -> held--; beat(); at[me] = GIVES;
        printf("sidecar %d finds the NOTIFY queue too full\n", me) }
    :: d_step { at[me] == DOZES && MINE(me) && !rung && held -> held--; beat();
        printf("sidecar %d finds the NOTIFY queue too full\n", me);
        if :: XMIN >= fence -> fence = 0; at[me] = ASLEEP :: else fi }
#else
    :: d_step { (at[me] == POLLS || at[me] == DOZES) && MINE(me) && held -> held--; beat();
        printf("sidecar %d finds the NOTIFY queue too full\n", me) }
#endif
    /* the connection is gone: whoever thaws after that does nothing more */
    :: d_step { at[me] != LOOKS && at[me] != TRIES && at[me] != SHOOTS && !frozen[me] && role != me ->
#ifdef TWO_SESSIONS
        no_drain();
#endif
        at[me] = LOOKS; printf("sidecar %d sees that its session is gone\n", me) }
    od
}

#ifdef FLAG_WAIT
#define TRY_GETS_IT (flag == NOBODY && !(leaked && role != NOBODY && at[role] == WAKES))
#else
#define TRY_GETS_IT (flag == NOBODY)
#endif

/* One transaction of an application with one row; it may also stay open for ever. */
proctype Writer(byte x) {
    bool ring;
#ifdef TRY_FIRST
    d_step { next >= x -> ring = (flag == NOBODY); if :: ring -> printf("writer %d finds nobody awake, and will ring\n", x) :: else -> printf("writer %d finds somebody awake, and will not ring\n", x) fi };
    d_step { next == x -> next++; running = running | BIT(x); printf("writer %d has an id and inserts\n", x) };
#else
    d_step { next == x -> next++; running = running | BIT(x); printf("writer %d has an id and inserts\n", x) };
    if
#ifdef MAY_NOT_RING
    :: d_step { TRY_GETS_IT -> ring = false; printf("writer %d finds nobody awake, and may not ring\n", x) }
#endif
    :: d_step { TRY_GETS_IT -> ring = true; printf("writer %d finds nobody awake, and will ring\n", x) }
    :: d_step { !TRY_GETS_IT -> printf("writer %d finds somebody awake, and will not ring\n", x) }
    :: d_step { TRY_GETS_IT && leaks -> leaks--; leaked = true; ended(x); printf("writer %d is cancelled, and its session keeps a share of the flag\n", x) } -> goto over
    fi;
#endif
    if
    :: d_step { ended(x); visible = visible | BIT(x); if :: ring && listening -> rung = true :: else fi; ring = false; printf("writer %d commits\n", x) }
    :: d_step { ended(x); ring = false; printf("writer %d rolls back\n", x) } /* rolled back: so are its row and its ring */
    :: ring = false                      /* neither: it stays open for ever */
    fi;
over:
    skip
}

/* PostgreSQL ends a session some time after it was told to. */
proctype Server() {
end:
    do
    :: d_step { doomed != NOBODY -> session_ends(); printf("the terminated session ends\n") }
    od
}

#ifdef OTHERS_DELETE
/* collapse(), or a drain, by somebody without the role */
proctype Other() {
end:
    d_step { visible -> drained = drained | LOWEST(visible); visible = visible & ~LOWEST(visible);
        printf("another session deletes a row\n") }
}
#endif

/* Freezes the relay, thaws it, cuts its session. One sidecar is always left to act. */
init {
    atomic {
        role = 1;
        at[1] = LISTENS;
        run Server();
#ifdef OTHERS_DELETE
        run Other();
#endif
        run Sidecar(1);
        run Sidecar(2);
#if SIDECARS == 3
        run Sidecar(3);
#endif
        run Writer(1);
#if WRITERS >= 2
        run Writer(2);
#endif
#if WRITERS >= 3
        run Writer(3);
#endif
    }
    do
    :: d_step { breaks && role != NOBODY && !frozen[role] && OTHER_UP(role) ->
        breaks--; printf("sidecar %d, the relay, freezes\n", role); frozen[role] = true; sick = true; nobody_due() }
    :: d_step { breaks && role != NOBODY -> breaks--; printf("the session of relay %d is cut\n", role); session_ends() }
    :: d_step { frozen[1] -> frozen[1] = false; printf("sidecar 1 thaws\n") }
    :: d_step { frozen[2] -> frozen[2] = false; printf("sidecar 2 thaws\n") }
#if SIDECARS == 3
    :: d_step { frozen[3] -> frozen[3] = false; printf("sidecar 3 thaws\n") }
#endif
    :: break
    od
}

#define committed (visible != 0)
#define all_drained (visible == 0)
ltl no_lost_wakeup { [] (committed -> <> all_drained) }
