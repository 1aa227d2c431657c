/* A further process of this same program, for what the demo's own process cannot show of itself: the agent
 * and a subcommand as people start them. It is given its settings, nothing of the caller's environment, and
 * it ends with the process that started it. Nothing here waits, except child_end. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include <stdbool.h>
#include <sys/types.h>

enum { CHILD_SETTINGS_MAX = 24, CHILD_SETTING_SIZE = 640 };

/** "NAME=value" each, and NULL at the end; zero-initialise. */
struct child_settings {
    char text[CHILD_SETTINGS_MAX][CHILD_SETTING_SIZE];
    char *list[CHILD_SETTINGS_MAX + 1];
    size_t count;
};
/** Another value than before, where the name was set. */
void child_set(struct child_settings *settings, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Where a child finds the file that it is given: `file` of child_start. */
#define CHILD_FILE "/proc/self/fd/3"

/** Zero-initialise. */
struct child {
    /** 0: there is none, or it has ended and exit_code says how (128 + the signal's number). */
    pid_t pid;
    int exit_code;
    bool ended, asked;
    /** What it writes comes here. */
    int pipe;
    /** What it has written so far, to standard output and error; cut when it is very long. */
    struct buffer said;
};

/** Starts this program with these words (NULL at the end). `file`: a descriptor that it gets, or -1. What it
 * said before, if it is started again, stays. 0, or PA_ERR_IO with the cause. */
PA_MUST_USE int child_start(struct child *child, const char *const words[],
                            const struct child_settings *settings, int file, struct error *err);
/** Reads what it has said, and notices its end. */
void child_look(struct child *child);
/** Kills it: nothing of it goes on. */
void child_kill(const struct child *child);
/** Asks it to stop; asked again, it is left in peace. */
void child_stop(struct child *child);
/** The line in which it said this, without its end; null: it did not. */
struct slice child_line_with(struct child *child, const char *text);
/** Kills it where it still runs, waits for its end, and forgets it. */
void child_end(struct child *child);

/** Processes that a child leaves become this one's. */
void children_adopt(void);
/** Waits, a moment at most, until no process is left of any child. False: some are. */
PA_MUST_USE bool children_gone(void);
