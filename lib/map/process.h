/* The processes that evaluate mappings. libjq has no bound of time or memory of its own and ends its process
 * when it is out of memory, so it runs in a process that may be ended. The agent forks the mappings' process
 * before it has a thread. That one forks a compiler for each text of the mapping file; a compiler compiles
 * its text once and forks evaluators, which inherit the compiled programs; an evaluator that passes a bound
 * dies alone, and the next one is a fork away (about a millisecond). A compiler has one evaluator of each
 * kind at most. Each process has a socket of its own. What they cost: two idle processes, whose pages are the
 * agent's own until written to. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "map/mapping.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Nearly every evaluation is over within a millisecond. So each has little time and memory at first, and
 * what needs more of them is evaluated anew by another evaluator, behind which nothing else waits. */
enum map_evaluator { MAP_QUICK, MAP_PATIENT };
enum { MAP_EVALUATORS = MAP_PATIENT + 1 };

enum { MAP_PREVIOUS_SECRETS = MAPPINGS_PREVIOUS_SECRETS };

struct map_process_options {
    /** The mapping file's text; null: the built-in mappings, compiled when first needed. */
    struct slice file;
    /** The client secret: the key of encrypted properties. */
    struct slice secret;
    /** Those before it; empty: none. */
    struct slice previous_secrets[MAP_PREVIOUS_SECRETS];
    /** More of what expressions see through env: NAME=value, NULL at the end; or NULL. */
    char *const *environment;
    /** Wipes, in the new process, whatever the agent knows by now; NULL: nothing. */
    void (*forget)(void *ctx);
    void *ctx;
    /** Takes the agent's settings out of the environment (config_hide), in the mappings' process, before the
     * built-in mappings see it; NULL: they stay there. */
    void (*hide_settings)(void);
    /** Processor time that one evaluation may take; 0: no bound. */
    int64_t cpu_ms;
    /** Private memory that the evaluators may use together; 0: no bound. */
    size_t memory_bytes;
    /** Evaluators make only a few system calls, and open nothing (confine.h). */
    bool sealed;
};

struct map_process {
    pid_t pid;
    /** A stream socket on which compilers are asked for. */
    int nursery;
    /** The first compiler's: a stream socket on which evaluators are asked for and their ends are told. */
    int fd;
};
#define MAP_PROCESS_NONE ((struct map_process){-1, -1, -1})

/** A frame's head, in both directions of an evaluator's socket; `len` bytes follow. Answers come in the order
 * of the questions. */
enum { MAP_WHATEVER = 1 << 30 };
struct map_frame {
    uint32_t len;
    /** To an evaluator: 0, an event; n, a context of the n-th mapping's report; with MAP_WHATEVER, however
     * slow the mapping is. From it: 0, fields (mapping.h); 1, a reason in words why there are none; 2, the
     * number of the mapping (a uint32_t) that is too slow for this evaluator. */
    uint32_t what;
};

enum map_end_kind {
    /** By itself, or because its socket was closed. */
    MAP_END_RETIRED,
    /** Its evaluation, that of the first question without an answer, passed a bound of its kind. */
    MAP_END_BOUND,
    /** That evaluation crashed jq. */
    MAP_END_FAILED,
    /** By another process: the system, for example, when memory is short. */
    MAP_END_KILLED,
    /** It was evaluating nothing, or could not even be made. */
    MAP_END_UNFIT
};
/** What the process says about an evaluator that has ended. */
struct map_end {
    enum map_evaluator which;
    enum map_end_kind how;
    /** Which mapping (from 1) ran out of time; 0: none did. */
    uint32_t mapping;
    /** In words; empty for MAP_END_RETIRED. */
    char reason[128];
};

/** Forks the process, and has it compile: call it before any thread exists. 0; PA_ERR_INVALID with a line per
 * problem of the file; PA_ERR_IO, PA_ERR_MEMORY with one. Warnings as mappings_load gives them. End it with
 * map_process_end. */
PA_MUST_USE int map_process_start(const struct map_process_options *options, struct map_process *out,
                                  struct buffer *problems, struct buffer *warnings);
/** Has another compiler made, of the file and the secrets in `options`; all else stays as it was said to
 * map_process_start. It blocks, two minutes at most: not for the loop's thread. *fd is the compiler's socket;
 * the compiler and its evaluators end when it is closed. Results as map_process_start's, and then *fd is -1.
 */
PA_MUST_USE int map_process_compile(const struct map_process *process,
                                    const struct map_process_options *options, int *fd,
                                    struct buffer *problems, struct buffer *warnings);
/** Asks a compiler for an evaluator, one of a kind at a time: *fd is the socket that it reads frames from and
 * answers on. A struct map_end comes over the compiler's socket when it has ended. 0; PA_ERR_IO: not now,
 * errno says why. */
PA_MUST_USE int map_process_evaluator(int compiler, enum map_evaluator which, int *fd);
/** Kills the process with all that it has made, waits for it and closes the sockets (except those that are
 * -1: another owner has them by now). */
void map_process_end(struct map_process *process);

/* What such a process is made of, for `port-agent map`, which evaluates in children of its own. */

/** The bounds of one evaluator, from those of the process. Together they use no more memory than that has;
 * what one event may take is the share of the patient one. */
struct map_process_options map_process_bounds(const struct map_process_options *options,
                                              enum map_evaluator which);

/** Takes what jq's `env` must not show (the client secret, the Kafka password and their NAME_FILE) out of
 * this process's environment. */
void map_process_hide_secrets(void);
/** The exit code of such a process when it is out of memory; libjq exits with the same one. */
enum { MAP_PROCESS_NO_MEMORY = 70 };
/** Confines this process to the options' memory, for good; failing ends it without a core file. */
void map_process_confine(const struct map_process_options *options);
/** From now on this process may use this much processor time, then SIGPROF ends it; 0: no bound. */
void map_process_limit_time(int64_t cpu_ms);
/** Why a confined process ended with this status (of waitpid), in words. */
void map_process_describe_death(const struct map_process_options *options, int status, char out[128]);
