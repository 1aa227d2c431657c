/* What stands before the daemon can run, in the agent and in commands that run one: the process, the settings
 * with their mapping file and the certificate authorities, the log. In this order, and undone in the opposite
 * one. */
#pragma once
#include "base/log.h"
#include "config/config.h"
#include "map/process.h"

struct authorities;

struct setup {
    struct config config;
    /** MAP_PROCESS_NONE once the daemon has taken it over. */
    struct map_process map_process;
    bool mapping_file;
    /** Of the mapping file, for a reload; empty: there is none. */
    struct buffer mapping_text;
    struct buffer mapping_warnings;
    struct authorities *authorities;
    /** Told, and kept for a reload. */
    struct buffer authority_warnings;
    /** What every line of the log says, if it is wanted; the texts that are in no setting. */
    struct log_field resource[3];
    char host[256];
    struct log *log;
};

/** Limits, signals and memory of a process that runs the daemon. */
void setup_process(void);
/** Settings, mapping file and authorities; all that is wrong with any is told at once on standard error.
 * Starts the mappings' process: call it before any thread exists. EXIT_CODE_OK, or the exit code with nothing
 * to undo.
 */
PA_MUST_USE int setup_load(struct setup *setup);
/** The same for a command that needs the `count` settings in `names` at most: others may be wrong or missing
 * (config_input.needs). */
PA_MUST_USE int setup_load_some(struct setup *setup, const char *const *names, size_t count);
/** Opens the log on `log_fd` and tells the warnings there. EXIT_CODE_OK, or the exit code, with the cause
 * told; undo with setup_close in both cases. */
PA_MUST_USE int setup_open(struct setup *setup, int log_fd);
void setup_close(struct setup *setup);
/** One log line for each line of `lines`, as the text of `field`; empties it. */
void setup_tell_lines(const char *message, struct log_field field, struct buffer *lines);
/** Tells why the daemon could not be made, where its kind of problem belongs. The exit code. */
PA_MUST_USE int setup_cannot_start(const struct error *err);
/** Writes the log out, for a process that is about to end at once. */
void setup_flush_log(struct setup *setup);
