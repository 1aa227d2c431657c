/* `port-agent dead-letters replay`: a daemon whose source is the dead letters. It is run's own wiring, so a
 * letter is verified, mapped, delivered, tried again and reported as any event, and becomes a dead letter
 * again when it fails again. */
#include "agent/commands.h"
#include "agent/dead_letters/replay_source/source.h"
#include "agent/run/running.h"
#include "agent/run/setup.h"
#include "base/clock.h"
#include "base/signals.h"
#include "dead_letters.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay {
    struct letters_place place;
    struct letters_filter filter;
    const struct command_usage *usage;
    bool json, all;
    /** Of the directory's letters; -1: none. */
    int lock;
    struct setup setup;
    struct running running;
    struct source *source;
    /** It ended before all were sent. */
    bool incomplete;
    struct letter_check *check;
    unsigned delivered, failed, left, printed;
    /** Lines or messages that are no letters. */
    size_t broken;
};

/** What the delivery came to, kept until the letter's ticket is back. */
struct verdict {
    enum observed_end end;
    int status;
    int64_t duration_ms;
    char reason[512];
};

/* Outcomes */

static void print_outcome(struct replay *replay, const struct dead_letter_entry *entry, const char *outcome,
                          const struct verdict *verdict)
{
    struct slice run = entry->letter.run_id;
    if (replay->json) {
        struct buffer json = {0};
        buffer_appendf(&json, "%s{\"id\":\"%s\",\"run_id\":", replay->printed ? ",\n" : "", entry->ref.id);
        if (slice_is_null(run))
            buffer_append_text(&json, "null");
        else
            buffer_append_json_string(&json, run);
        buffer_appendf(&json, ",\"outcome\":\"%s\",\"status\":%d,\"duration_ms\":%lld,\"reason\":", outcome,
                       verdict->status, (long long)verdict->duration_ms);
        buffer_append_json_string(&json, slice_of(verdict->reason));
        buffer_append_text(&json, ",\"where\":");
        buffer_append_json_string(&json, slice_of(entry->where));
        buffer_append_char(&json, '}');
        fwrite(buffer_text(&json), 1, json.len, stdout);
        buffer_clear(&json);
    } else {
        printf("%-16s ", entry->ref.id);
        print_plain(stdout, slice_is_null(run) ? SLICE_LITERAL("-") : run);
        printf("  %s", outcome);
        if (verdict->status)
            printf(" %d in %lld ms", verdict->status, (long long)verdict->duration_ms);
        fputs(*verdict->reason ? ": " : "", stdout);
        print_plain(stdout, slice_of(verdict->reason));
        putchar('\n');
    }
    fflush(stdout);
    replay->printed++;
}

static void letter_told(void *ctx, const struct observed *observed)
{
    struct replay *replay = ctx;
    enum observed_end end = observed_end(observed->kind);
    if (end == END_NONE)
        return;
    struct replay_letter *letter = replay_find(replay->source, observed->record_id);
    struct verdict *verdict = letter ? replay_letter_get(letter) : NULL;
    if (!letter || (!verdict && !(verdict = calloc(1, sizeof *verdict))))
        return;
    verdict->end = end;
    slice_copy_cut(observed_why(observed), verdict->reason, sizeof verdict->reason);
    verdict->status = observed->status;
    verdict->duration_ms = observed->duration_ms;
    replay_letter_set(letter, verdict);
}

/** The sink is done with it. True: remember it. */
static bool settled(struct replay *replay, const struct dead_letter_entry *entry,
                    const struct verdict *verdict)
{
    static const char *const outcomes[] = {
        [END_NONE] = "skipped",    [END_DELIVERED] = "delivered",   [END_FAILED] = "failed",
        [END_SKIPPED] = "skipped", [END_UNREADABLE] = "unreadable", [END_REFUSED] = "refused"};
    bool delivered = verdict->end == END_DELIVERED, failed = verdict->end == END_FAILED;
    delivered ? replay->delivered++ : failed ? replay->failed++ : replay->left++;
    print_outcome(replay, entry, outcomes[verdict->end], verdict);
    return delivered || failed; /* what failed is a dead letter again, under another ID */
}

/** Nothing of it was sent, and nothing told to Port. */
static void letter_refused(struct replay *replay, const struct dead_letter_entry *entry, const char *reason)
{
    struct verdict verdict = {0};
    snprintf(verdict.reason, sizeof verdict.reason, "%s", reason);
    print_refusal(replay->usage, "refused", entry->where, reason);
    replay->left++;
    print_outcome(replay, entry, "refused", &verdict);
}

static bool ended(void *ctx, struct replay_letter *letter, enum replay_end end)
{
    struct replay *replay = ctx;
    const struct dead_letter_entry *entry = replay_letter_entry(letter);
    struct verdict none = {0}, *verdict = replay_letter_get(letter);
    bool remembered = end == REPLAY_SAME_DONE;
    if (end == REPLAY_DONE) {
        remembered = settled(replay, entry, verdict ? verdict : &none);
    } else if (end == REPLAY_REFUSED) {
        letter_refused(replay, entry, replay_letter_refusal(letter));
    } else {
        static const char *const reasons[] = {
            [REPLAY_DROPPED] = "stopped before its end",
            [REPLAY_SAME_DONE] = "the same event as another letter, which was replayed",
            [REPLAY_SAME_LEFT] = "the same event as another letter, which is left"};
        snprintf(none.reason, sizeof none.reason, "%s", reasons[end]);
        replay->left += end != REPLAY_SAME_DONE;
        print_outcome(replay, entry, end == REPLAY_SAME_DONE ? "same" : "left", &none);
    }
    free(verdict);
    return remembered;
}

/* The daemon */

static bool wanted(void *ctx, const struct dead_letter_entry *entry)
{
    return letters_filter_wants(&((struct replay *)ctx)->filter, entry);
}

static void finished(void *ctx, const char *reason)
{
    struct replay *replay = ctx;
    replay->incomplete |= reason != NULL;
    if (reason)
        fprintf(stderr, "port-agent %s: %s\n", replay->usage->command, reason);
    daemon_stop(replay->running.daemon);
}

static struct source *open_letter_source(void *ctx, const struct source_options *options, struct error *err)
{
    struct replay *replay = ctx;
    const struct config *config = &replay->setup.config;
    struct replay_options letters = {
        .reader = replay->place.reader,
        .check = replay->check,
        .change_log_topic = config->change_log_topic,
        .wanted = wanted,
        .ended = ended,
        .finished = finished,
        .ctx = replay,
    };
    replay->source = replay_source_new(&letters, options, err);
    return replay->source;
}

static void stopped(void *ctx, int exit_code)
{
    struct replay *replay = ctx;
    running_stopped(&replay->running, exit_code);
}

static void replay_stop_asked(void *ctx, int number, bool again)
{
    struct replay *replay = ctx;
    if (again) {
        fprintf(stderr,
                "port-agent %s: stopped at once: what was on its way may have been sent, and is left\n",
                replay->usage->command);
        setup_flush_log(&replay->setup);
        _exit(128 + number);
    }
    replay->incomplete = true;
    daemon_stop(replay->running.daemon);
}

static int run_daemon(struct replay *replay)
{
    struct daemon_options options = {
        .open_source = open_letter_source, .stopped = stopped, .told = letter_told, .ctx = replay};
    const struct signal_watch signals = {.stop = replay_stop_asked, .ctx = replay};
    struct error err = {0};
    running_take_setup(&options, &replay->setup);
    running_open(&replay->running);
    bool started = running_start(&replay->running, options, signals, &err);
    int exit_code = running_end(&replay->running);
    return started ? exit_code : setup_cannot_start(&err);
}

/* The command */

/** Letters that were asked for and are not there. */
static unsigned tell_missing(const struct replay *replay)
{
    const struct letters_filter *filter = &replay->filter;
    unsigned missing = 0;
    for (size_t i = 0; i < filter->ids.count; i++) {
        if (filter->found[i] == LETTER_FOUND)
            continue;
        missing++;
        fprintf(stderr, "port-agent %s: %s '%s'%s\n", replay->usage->command,
                filter->found[i] == LETTER_NOT_FOUND ? "there is no letter" : "letter", filter->ids.items[i],
                filter->found[i] == LETTER_NOT_FOUND ? "" : " was replayed before; --again sends it again");
    }
    return missing;
}

static void print_totals(const struct replay *replay, bool nothing)
{
    if (replay->json) {
        printf("],\n\"delivered\":%u,\"failed\":%u,\"left\":%u,\"unreadable\":%zu}\n", replay->delivered,
               replay->failed, replay->left, replay->broken);
        return;
    }
    if (nothing) {
        puts("no dead letters to replay");
        return;
    }
    printf("%u delivered, %u failed, %u left", replay->delivered, replay->failed, replay->left);
    if (replay->broken > 0)
        printf(", %zu unreadable", replay->broken);
    putchar('\n');
}

static int conclude(struct replay *replay)
{
    unsigned missing = replay->incomplete ? 0 : tell_missing(replay);
    print_totals(replay, replay->printed == 0 && !missing && !replay->incomplete && replay->broken == 0);
    /* What cannot be read may be any letter; one that was asked for by its ID is found, or missing. */
    bool readable = replay->broken == 0 || !replay->all;
    bool all = !missing && !replay->incomplete && replay->failed == 0 && replay->left == 0 && readable;
    return all && fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

/** --dir and --topic say where letters that fail again go, too. False: out of memory. */
static bool override_place(struct config *config, const struct letters_place *place)
{
    if (!place->directory && !place->topic)
        return true;
    free(config->dead_letter_dir);
    free(config->dead_letter_topic);
    config->dead_letter_dir = strdup(place->directory ? place->directory : "");
    config->dead_letter_topic = strdup(place->topic ? place->topic : "");
    return config->dead_letter_dir && config->dead_letter_topic;
}

/** Before the letters are read: what another replay has sent by then is remembered. */
static int lock_letters(struct replay *replay)
{
    const char *directory = replay->setup.config.dead_letter_dir, *command = replay->usage->command;
    struct error err = {0};
    if (!*directory)
        return EXIT_CODE_OK;
    replay->lock = dead_letter_replay_lock(directory, false, &err);
    if (replay->lock == PA_ERR_UNAVAILABLE) {
        fprintf(stderr, "port-agent %s: %s: waiting for its end (Ctrl-C gives up)\n", command, err.message);
        signals_release(); /* nothing is on its way yet: they end the wait, and with it the process */
        replay->lock = dead_letter_replay_lock(directory, true, &err);
        signals_hold();
    }
    if (replay->lock >= 0)
        return EXIT_CODE_OK;
    fprintf(stderr, "port-agent %s: %s\n", command, err.message);
    return EXIT_CODE_FAILURE;
}

/** The letters, and what says which of them are believed. */
static int open_letters(struct replay *replay)
{
    const struct config *config = &replay->setup.config;
    int code = lock_letters(replay);
    if (code == EXIT_CODE_OK)
        code = letters_open_with(&replay->place, replay->usage, config, replay->setup.authorities);
    if (code != EXIT_CODE_OK)
        return code;
    dead_letter_reader_tell(replay->place.reader, letters_tell_broken, (void *)(uintptr_t)replay->usage);
    replay->check = letter_check_new(config->client_secret.value, config->client_secret_previous.value,
                                     config->runs_topic, config->change_log_topic);
    if (replay->check)
        return EXIT_CODE_OK;
    fprintf(stderr, "port-agent %s: out of memory\n", replay->usage->command);
    letters_close(&replay->place);
    return EXIT_CODE_FAILURE;
}

static int run_replay(struct replay *replay)
{
    int code = setup_open(&replay->setup, STDERR_FILENO);
    if (code == EXIT_CODE_OK)
        code = open_letters(replay);
    if (code != EXIT_CODE_OK)
        return code;
    if (replay->json)
        fputs("{\"letters\":[\n", stdout);
    code = run_daemon(replay);
    replay->broken = dead_letter_reader_broken(replay->place.reader);
    letters_close(&replay->place);
    letter_check_free(replay->check);
    int concluded = conclude(replay);
    return code != EXIT_CODE_OK ? code : concluded;
}

static int choices_check(struct replay *replay)
{
    const struct command_usage *usage = replay->usage;
    int wrong = letters_place_check(&replay->place, usage);
    if (wrong != EXIT_CODE_OK)
        return wrong;
    if (replay->all && replay->filter.ids.count > 0)
        return options_wrong(usage, "--all and IDs are both given; leave one of them out");
    if (!replay->all && replay->filter.ids.count == 0)
        return options_wrong(usage, "the letters are missing; write their IDs, or --all");
    return letters_filter_parse(&replay->filter, usage);
}

static int replay_with(struct replay *replay)
{
    int code = choices_check(replay);
    if (code != OPTIONS_GO_ON)
        return code;
    setup_process();
    code = setup_load(&replay->setup);
    if (code != EXIT_CODE_OK)
        return code;
    /* Letters are old, and whoever asks for them means these. */
    replay->setup.config.replay_tolerance_ms = 0;
    if (override_place(&replay->setup.config, &replay->place))
        code = run_replay(replay);
    else
        code = EXIT_CODE_FAILURE;
    if (replay->lock >= 0)
        close(replay->lock);
    setup_close(&replay->setup);
    return code;
}

static const char intro[] =
    "Sends dead letters through the agent's own delivery, with the agent's own settings and "
    "mappings:\n"
    "verified, signed anew, tried again, and reported to Port. A letter that was replayed is "
    "remembered\n"
    "and not sent again unless --again is given; one that fails again is a dead letter again, under\n"
    "another ID. A line that is no letter, or that was changed since the agent wrote it, is refused "
    "and named,\n"
    "and nothing of it is sent. The agent may run meanwhile. A second replay of one directory "
    "waits for the first\n"
    "one's end; of one topic, run one at a time. Log lines go to standard error.\n\n"
    "  port-agent dead-letters replay --all --since 2026-01-13";

int dead_letters_replay(int argc, char **argv)
{
    struct replay replay = {.lock = -1};
    struct letters_filter *filter = &replay.filter;
    const struct command_option options[] = {
        {.name = "all",
         .flag = &replay.all,
         .help = "all letters that match the other options and were not replayed yet"},
        {.name = "run", .value = "ID", .text = &filter->run, .help = "letters of this run only"},
        {.name = "reason",
         .value = "TEXT",
         .text = &filter->reason,
         .help = "with this text in their reason"},
        {.name = "since", .value = "TIME", .text = &filter->since, .help = "given up then or later (UTC)"},
        {.name = "until", .value = "TIME", .text = &filter->until, .help = "given up then or earlier (UTC)"},
        {.name = "again", .flag = &filter->replayed, .help = "also letters that were replayed before"},
        {.name = "dir", .value = "DIR", .text = &replay.place.directory, .help = "letters of this directory"},
        {.name = "topic", .value = "TOPIC", .text = &replay.place.topic, .help = "letters of this topic"},
        OPTION_OUTPUT(&replay.json, "text, or a JSON object"),
    };
    const struct command_usage usage = {
        .command = "dead-letters replay",
        .summary = "[OPTIONS] ID…|--all",
        .intro = intro,
        .exit_codes =
            "Exit codes: 0 all were delivered; 1 not all, or it could not go on; 64 wrong usage; 78 "
            "wrong settings.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operands = &filter->ids,
    };
    replay.usage = &usage;
    filter->found = calloc((size_t)argc + 1, sizeof *filter->found);
    int code = filter->found ? options_parse(&usage, argc, argv) : EXIT_CODE_FAILURE;
    if (code == OPTIONS_GO_ON)
        code = replay_with(&replay);
    free((void *)filter->ids.items);
    free(filter->found);
    return code;
}
