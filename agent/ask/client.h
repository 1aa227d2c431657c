/* One question to the running agent, over its Unix socket, for the subcommands that ask one. Blocks. */
#pragma once
#include "admin/socket.h"
#include "agent/options.h"
#include "base/buffer.h"
#include "config/config.h"
#include <stdint.h>

struct answer {
    /** Of HTTP; 0: there was none. */
    long status;
    struct buffer body;
    /** The socket of the agent that was found without settings that name it; "": they name it. */
    char found[ADMIN_SOCKET_NAME_SIZE];
};

/** What is asked: the path with its query ("/run?target=r_1", made by ask_path), and the method. */
struct question {
    const char *method, *path;
    /** For the whole of it; 0: five seconds. */
    int64_t timeout_ms;
};

/** Loads the settings that say where the agent is; what is missing is no problem. EXIT_CODE_OK, or the exit
 * code with the cause told; config_clear in all cases. */
PA_MUST_USE int ask_settings(struct config *config, const struct command_usage *usage);
/** Asks. EXIT_CODE_OK: there is an answer, whatever its status; otherwise the exit code, with the cause told:
 * nobody answers, or several agents may be meant. Clear the body in all cases. */
PA_MUST_USE int ask_agent(const struct config *config, const struct command_usage *usage,
                          const struct question *question, struct answer *answer);
/** Looks for the agent of these settings. EXIT_CODE_OK: there is one; EXIT_CODE_USAGE, with the cause told:
 * several may be meant; EXIT_CODE_FAILURE: there is none, or, as `why` says then, one that cannot be asked.
 */
PA_MUST_USE int ask_finds_agent(const struct config *config, const struct command_usage *usage,
                                struct error *why);
/** Appends the path and ?target=, percent-encoded; without it for NULL. */
void ask_path(struct buffer *out, const char *path, const char *target);
/** Prints {"KEY":true,"target":"…","message":"…"} for --output json; NULL for `target`: none. */
void ask_print_json(const char *key, bool yes, const char *target, const char *message);
