/* Shared by the files of `port-agent dead-letters` only.
 *
 *   dead_letters.c  list and show
 *   filter.c        which letters the options select
 *   place.c         where they are: directory or topic, from the command line or the settings
 *   print.c         a letter as text and as JSON
 *   replay.c        letters through the agent's own delivery
 *   reader/         reading them back, and remembering which were replayed
 *   replay_source/  letters as a source of records; which of them are believed
 */
#pragma once
#include "agent/dead_letters/reader/reader.h"
#include "agent/dead_letters/replay_source/check.h"
#include "agent/options.h"
#include "config/config.h"
#include <stdio.h>

struct authorities;

/** Where letters are, and what says which of them a replay would refuse. */
struct letters_place {
    /** --dir and --topic; NULL: the settings say. */
    const char *directory, *topic;
    struct dead_letter_reader *reader;
    /** Of list and show; the check borrows its topics. */
    struct config config;
    /** NULL: nothing is known of that. */
    struct letter_check *check;
};

/** Whether the command line names a place that there can be: EXIT_CODE_OK, or the exit code with the cause
 * told. */
PA_MUST_USE int letters_place_check(const struct letters_place *place, const struct command_usage *usage);
/** Opens the place for list and show, which need no more settings than where the letters are: without the
 * client secret, a note says that letters are not checked. EXIT_CODE_OK, or the exit code with the cause
 * told. */
PA_MUST_USE int letters_open(struct letters_place *place, const struct command_usage *usage);
/** The same with settings that are loaded already. */
PA_MUST_USE int letters_open_with(struct letters_place *place, const struct command_usage *usage,
                                  const struct config *config, const struct authorities *authorities);
/** Also of one that could not be opened. */
void letters_close(struct letters_place *place);
/** For dead_letter_reader_tell: says on standard error that something is no letter. `ctx` is the command's
 * usage. */
void letters_tell_broken(void *ctx, const char *where, const char *why);

enum letter_found { LETTER_NOT_FOUND, LETTER_FOUND, LETTER_REPLAYED_BEFORE };

/** Which letters are meant. */
struct letters_filter {
    /** From the options; NULL: any. */
    const char *run, *reason, *since, *until;
    /** INT64_MIN and INT64_MAX: any. */
    int64_t since_ms, until_ms;
    /** Those replayed before are meant too. */
    bool replayed;
    /** IDs, or numbers of the list; none: all. */
    struct option_list ids;
    /** What became of each of `ids` (enum letter_found); NULL: nobody asks. */
    unsigned char *found;
};
/** Reads the times. OPTIONS_GO_ON, or the exit code with what is wrong told. */
PA_MUST_USE int letters_filter_parse(struct letters_filter *filter, const struct command_usage *usage);
PA_MUST_USE bool letters_filter_wants(struct letters_filter *filter, const struct dead_letter_entry *entry);

/** Text from outside, for a terminal: nothing in it moves the cursor. */
void print_plain(FILE *out, struct slice text);
/** A line on standard error, in one piece: log lines may come from another thread meanwhile. */
void print_refusal(const struct command_usage *usage, const char *what, const char *where, const char *why);
void print_row_titles(FILE *out);
/** `refusal`: why a replay would refuse it; NULL: it would not, or nobody knows. */
void print_row(FILE *out, const struct dead_letter_entry *entry, const char *refusal);
void print_whole(FILE *out, const struct dead_letter_entry *entry, const char *refusal, bool payload);
/** One object without a newline; with `payload` its key and value are in it. */
void print_json(FILE *out, const struct dead_letter_entry *entry, const char *refusal, bool payload);

/** `port-agent dead-letters replay`, from the words after `replay`. */
PA_MUST_USE int dead_letters_replay(int argc, char **argv);
