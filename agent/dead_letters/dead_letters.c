/* `port-agent dead-letters list|show|replay`: what was given up, and sending it again. */
#include "dead_letters.h"
#include "agent/commands.h"
#include "base/near.h"
#include "base/signals.h"
#include <stdlib.h>
#include <string.h>

static const char EXIT_CODES[] =
    "Exit codes: 0 done; 1 the letters cannot be read, or the letter is not there; 64 wrong usage; 78 wrong "
    "settings.";

static int cannot_read(const struct command_usage *usage, const struct error *err)
{
    fprintf(stderr, "port-agent %s: %s\n", usage->command, err->message);
    return EXIT_CODE_FAILURE;
}

/** Why a replay would refuse it; NULL: it would not, or nobody knows. */
static const char *refusal_of(const struct letters_place *place, const struct dead_letter_entry *entry,
                              char reason[CHECK_REASON_SIZE])
{
    return place->check && !letter_check_accepts(place->check, entry, reason) ? reason : NULL;
}

/* list */

static void list_one(const struct dead_letter_entry *entry, const char *refusal, bool json, bool first)
{
    if (json) {
        fputs(first ? "[\n" : ",\n", stdout);
        print_json(stdout, entry, refusal, false);
        return;
    }
    if (first)
        print_row_titles(stdout);
    print_row(stdout, entry, refusal);
}

static int list_letters(struct letters_place *place, struct letters_filter *filter,
                        const struct command_usage *usage, bool json)
{
    struct dead_letter_entry entry;
    struct error err = {0};
    char reason[CHECK_REASON_SIZE];
    size_t shown = 0;
    int got;
    while ((got = dead_letter_reader_next(place->reader, &entry, &err)) == 1) {
        letter_check_copy(place->check, &entry);
        if (!letters_filter_wants(filter, &entry))
            continue;
        list_one(&entry, refusal_of(place, &entry, reason), json, shown == 0);
        shown++;
    }
    if (json)
        fputs(shown ? "\n]\n" : "[]\n", stdout);
    else if (shown == 0 && got == 0)
        puts("no dead letters");
    if (got < 0)
        return cannot_read(usage, &err);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static int list(int argc, char **argv)
{
    struct letters_place place = {0};
    struct letters_filter filter = {0};
    bool json = false;
    const struct command_option options[] = {
        {.name = "run", .value = "ID", .text = &filter.run, .help = "letters of this run only"},
        {.name = "reason", .value = "TEXT", .text = &filter.reason, .help = "with this text in their reason"},
        {.name = "since", .value = "TIME", .text = &filter.since, .help = "given up then or later (UTC)"},
        {.name = "until", .value = "TIME", .text = &filter.until, .help = "given up then or earlier (UTC)"},
        {.name = "replayed", .flag = &filter.replayed, .help = "also letters that were replayed"},
        {.name = "dir", .value = "DIR", .text = &place.directory, .help = "read this directory"},
        {.name = "topic", .value = "TOPIC", .text = &place.topic, .help = "read this topic"},
        OPTION_OUTPUT(&json, "text, or a JSON array"),
    };
    const struct command_usage usage = {
        .command = "dead-letters list",
        .summary = "[OPTIONS]",
        .intro = "Lists the dead letters in the directory or topic of the settings (DEAD_LETTER_DIR, "
                 "DEAD_LETTER_TOPIC),\nand which of them a replay would refuse.\nA time is 2026-01-13 or "
                 "2026-01-13T15:20:16Z.\n\n"
                 "  port-agent dead-letters list --since 2026-01-13 --reason timeout",
        .exit_codes = EXIT_CODES,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    code = letters_filter_parse(&filter, &usage);
    if (code != OPTIONS_GO_ON)
        return code;
    code = letters_open(&place, &usage);
    if (code == EXIT_CODE_OK)
        code = list_letters(&place, &filter, &usage, json);
    letters_close(&place);
    return code;
}

/* show */

static int show_letter(struct letters_place *place, const char *id, const struct command_usage *usage,
                       bool json, bool payload)
{
    struct letters_filter filter = {
        .since_ms = INT64_MIN, .until_ms = INT64_MAX, .replayed = true, .ids = {&id, 1}};
    struct dead_letter_entry entry;
    struct error err = {0};
    char reason[CHECK_REASON_SIZE];
    int got;
    while ((got = dead_letter_reader_next(place->reader, &entry, &err)) == 1) {
        letter_check_copy(place->check, &entry);
        if (letters_filter_wants(&filter, &entry))
            break;
    }
    if (got < 0)
        return cannot_read(usage, &err);
    if (got == 0) {
        fprintf(stderr, "port-agent %s: there is no letter '%s'; 'port-agent dead-letters list' lists them\n",
                usage->command, id);
        return EXIT_CODE_FAILURE;
    }
    const char *refusal = refusal_of(place, &entry, reason);
    if (json) {
        print_json(stdout, &entry, refusal, payload);
        fputc('\n', stdout);
    } else {
        print_whole(stdout, &entry, refusal, payload);
    }
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static int command_show(int argc, char **argv)
{
    struct letters_place place = {0};
    const char *id = NULL;
    bool json = false, payload = false;
    const struct command_option options[] = {
        {.name = "payload", .flag = &payload, .help = "its payload too, without the signature"},
        {.name = "dir", .value = "DIR", .text = &place.directory, .help = "read this directory"},
        {.name = "topic", .value = "TOPIC", .text = &place.topic, .help = "read this topic"},
        OPTION_OUTPUT(&json, "text, or a JSON object"),
    };
    const struct command_usage usage = {
        .command = "dead-letters show",
        .summary = "[OPTIONS] ID",
        .intro = "Shows one dead letter: the one with this ID, or this number in the list.\n\n"
                 "  port-agent dead-letters show --payload 3",
        .exit_codes = EXIT_CODES,
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operand = &id,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (!id)
        return options_wrong(&usage, "the letter is missing; write its ID, or its number in the list");
    code = letters_open(&place, &usage);
    if (code == EXIT_CODE_OK)
        code = show_letter(&place, id, &usage, json, payload);
    letters_close(&place);
    return code;
}

/* The command */

static int help(void)
{
    puts("Usage: port-agent dead-letters list|show|replay [OPTIONS]\n\n"
         "Events whose delivery was given up, where DEAD_LETTER_DIR or DEAD_LETTER_TOPIC keeps them.\n\n"
         "  list    lists them\n"
         "  show    shows one of them, whole\n"
         "  replay  sends them through the agent's own delivery, and reports the results to Port\n\n"
         "Each has its own --help.");
    return EXIT_CODE_OK;
}

int command_dead_letters(int argc, char **argv)
{
    const char *what = argc > 0 ? argv[0] : "";
    if (strcmp(what, "replay") == 0)
        return dead_letters_replay(argc - 1, argv + 1);
    signals_release(); /* the others have nothing to finish */
    if (strcmp(what, "list") == 0)
        return list(argc - 1, argv + 1);
    if (strcmp(what, "show") == 0)
        return command_show(argc - 1, argv + 1);
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0)
        return help();
    static const char *const parts[] = {"list", "show", "replay", NULL};
    char question[NEAR_QUESTION_SIZE];
    fprintf(stderr, "port-agent dead-letters: %s%s%s%s; write list, show or replay\n",
            argc > 0 ? "there is no '" : "the subcommand is missing", what, argc > 0 ? "'" : "",
            near_question("", near_word(what, parts), question));
    return EXIT_CODE_USAGE;
}
