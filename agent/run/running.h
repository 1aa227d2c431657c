/* A daemon on a loop of its own, under the process's signals: what `run`, `dead-letters replay` and `demo`
 * have in common. What else is on that loop is the caller's, and keeps it alive. */
#pragma once
#include "daemon.h"
#include "signal_watch.h"

struct setup;

/** Zero-initialise. */
struct running {
    uv_loop_t loop;
    struct signal_watch signals;
    /** NULL: it could not be made. */
    struct daemon *daemon;
    int exit_code;
};

void running_open(struct running *running);
/** Settings, authorities and mappings' process of `setup`, which hands the last one over. */
void running_take_setup(struct daemon_options *options, struct setup *setup);
/** Makes the daemon of `options`, on this loop and by the system's clock, and lets the signals in. `stopped`
 * of the options has to call running_stopped. False, with the cause in err; then no signal was let in. */
PA_MUST_USE bool running_start(struct running *running, struct daemon_options options,
                               struct signal_watch signals, struct error *err);
/** A signal_watch's `stop` for a command that says nothing at it: the daemon stops, or, `again`, the process
 * ends at once. `running`: a struct running. */
void running_stop_asked(void *running, int number, bool again);
void running_stopped(struct running *running, int exit_code);
/** Runs the loop until nothing is on it any more, whether the daemon was made or not, and frees both. The
 * daemon's exit code. */
PA_MUST_USE int running_end(struct running *running);
