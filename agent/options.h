/* Command lines of the subcommands: one table a command, read with getopt_long and printed by its --help. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>

/** What may be given several times. Zero-initialise. */
struct option_list {
    /** Allocated by options_parse, for the command to free; NULL: none was given. */
    const char **items;
    size_t count;
};

/** One of `text`, `flag`, `list` and `json` says where it goes. */
struct command_option {
    /** Without the dashes. */
    const char *name;
    /** What --help calls its value; NULL: it has none. */
    const char *value;
    const char *help;
    /** Stays as it is when the option is not given. */
    const char **text;
    bool *flag;
    struct option_list *list;
    /** Its value is text or json; true: json. */
    bool *json;
};

/** The option --output, the same in every command that has it. */
#define OPTION_OUTPUT(json_, help_)                                              \
    {                                                                            \
        .name = "output", .value = "text|json", .json = (json_), .help = (help_) \
    }

struct command_usage {
    /** "map". */
    const char *command;
    /** The usage line, without "port-agent COMMAND". */
    const char *summary;
    /** What it does. */
    const char *intro;
    /** The last paragraph of --help. */
    const char *exit_codes;
    const struct command_option *options;
    size_t option_count;
    /** The one operand; NULL: the command has none. */
    const char **operand;
    /** Its words for shells ("bash|zsh"); NULL: it is any text, or a file. */
    const char *operand_words;
    /** Instead: as many as there are. */
    struct option_list *operands;
};

enum { OPTIONS_GO_ON = -1 };

/** Reads the words after the command's name. OPTIONS_GO_ON, or the exit code of a command that has ended
 * here: --help was printed, or what is wrong was said on standard error. The texts are argv's. */
PA_MUST_USE int options_parse(const struct command_usage *usage, int argc, char **argv);
/** Says on standard error what is wrong with the command line ("--event: is missing; write …"), points to
 * --help and returns EXIT_CODE_USAGE. */
PA_MUST_USE int options_wrong(const struct command_usage *usage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** OPTIONS_GO_ON for an http or https URL (or when out of memory, which shows later). Any other
 * is refused on standard error, without its user info and query: EXIT_CODE_USAGE. `option`: without dashes.
 */
PA_MUST_USE int options_url(const struct command_usage *usage, const char *option, const char *url,
                            const char *example);
