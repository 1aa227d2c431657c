/* The signals of a command that runs the daemon (docs/operating.md has the table). */
#pragma once
#include <stdbool.h>
#include <uv.h>

enum { SIGNALS_WATCHED = 5 };

struct signal_watch {
    uv_signal_t handles[SIGNALS_WATCHED];
    size_t count;
    /** A stop was asked for. */
    bool stopping;
    /** By SIGTERM, SIGINT or SIGQUIT: one more of these ends the process at once. */
    bool insisted;
    /** A signal asks to stop; `again`: at once. */
    void (*stop)(void *ctx, int number, bool again);
    /** SIGUSR1; NULL: it is ignored. */
    void (*summary)(void *ctx);
    /** SIGHUP, unless it says that the terminal is gone; NULL: it always asks to stop. */
    void (*reload)(void *ctx);
    /** The process was started on a terminal. */
    bool on_terminal;
    void *ctx;
};

/** Watches them from now on, and lets those in that waited (signals_hold). SIGHUP stays ignored where the
 * process was started so (nohup). The watch keeps no loop alive. */
void signal_watch_start(struct signal_watch *watch, uv_loop_t *loop);
void signal_watch_close(struct signal_watch *watch);
