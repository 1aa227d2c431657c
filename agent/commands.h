/* The subcommands: one function per file, which returns the process's exit code. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>

enum { EXIT_CODE_OK = 0, EXIT_CODE_FAILURE = 1, EXIT_CODE_USAGE = 64, EXIT_CODE_CONFIG = 78 };

PA_MUST_USE int command_run(int argc, char **argv);          /* agent/run/run.c */
PA_MUST_USE int command_demo(int argc, char **argv);         /* agent/demo/demo.c */
PA_MUST_USE int command_map(int argc, char **argv);          /* agent/map/map.c */
PA_MUST_USE int command_sign(int argc, char **argv);         /* agent/verify/sign.c */
PA_MUST_USE int command_verify(int argc, char **argv);       /* agent/verify/verify.c */
PA_MUST_USE int command_listen(int argc, char **argv);       /* agent/listen/listen.c */
PA_MUST_USE int command_send(int argc, char **argv);         /* agent/send/send.c */
PA_MUST_USE int command_events(int argc, char **argv);       /* agent/events/events.c */
PA_MUST_USE int command_settings(int argc, char **argv);     /* agent/settings.c */
PA_MUST_USE int command_check(int argc, char **argv);        /* agent/check/check.c */
PA_MUST_USE int command_status(int argc, char **argv);       /* agent/ask/status.c */
PA_MUST_USE int command_run_status(int argc, char **argv);   /* agent/ask/status.c */
PA_MUST_USE int command_health(int argc, char **argv);       /* agent/ask/health.c */
PA_MUST_USE int command_pause(int argc, char **argv);        /* agent/ask/brake.c */
PA_MUST_USE int command_resume(int argc, char **argv);       /* agent/ask/brake.c */
PA_MUST_USE int command_cancel(int argc, char **argv);       /* agent/ask/brake.c */
PA_MUST_USE int command_log_level(int argc, char **argv);    /* agent/ask/brake.c */
PA_MUST_USE int command_dead_letters(int argc, char **argv); /* agent/dead_letters/dead_letters.c */
PA_MUST_USE int command_redeliver(int argc, char **argv);    /* agent/redeliver/redeliver.c */
PA_MUST_USE int command_completion(int argc, char **argv);   /* agent/completion/completion.c */
PA_MUST_USE int command_man(int argc, char **argv);          /* agent/completion/completion.c */

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
    /** Until it hears them itself: what it has begun must be finished. */
    bool holds_signals;
    /** Its own subcommands, NULL at the end; NULL: it has none. */
    const char *const *parts;
};

/** All of them, in the order in which help lists them. */
const struct command *commands_all(size_t *count);
/** The command, --help or --version that was meant by a word that is none; NULL: nobody knows. */
const char *commands_near(const char *word);
