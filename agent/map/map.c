/* `port-agent map`: what a mapping file makes of events. Each event is evaluated in a child that may be
 * ended, within the bounds that the agent's own evaluators have. */
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/mapping_process.h"
#include "agent/options.h"
#include "expect.h"
#include "hints.h"
#include "map/process.h"
#include "report.h"
#include "show.h"
#include "json/canonical.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EVALUATING_SIZE = 128, UNWRITABLE = 2 };

struct map_command {
    struct option_list events;
    const char *lines, *mapping, *response, *kind, *expect;
    bool json;
    /** Canonical; empty: nothing is expected. */
    struct buffer expected;
    struct config config;
    struct mappings *mappings;
    /** Where the mappings come from, for eyes. */
    char source[300];
    struct explained_response answer;
    struct map_process_options bounds;
    struct explain_options options;
    /** Some event makes no request. */
    bool negative;
    size_t shown;
};

/* Settings and mappings */

static int load_map_settings(struct map_command *command)
{
    static const char *const names[] = {
        "PORT_CLIENT_SECRET", "PORT_CLIENT_SECRET_PREVIOUS", "CONTROL_THE_PAYLOAD_CONFIG_PATH",
        "MAPPING_TIMEOUT",    "MAPPING_MAX_MEMORY",          "RECORD_MAX_BYTES",
        "DETAILED_LOGGING"};
    struct buffer problems = {0};
    int failed = input_settings(&command->config, names, sizeof names / sizeof *names, &problems);
    if (failed)
        fputs(failed == PA_ERR_MEMORY ? "port-agent map: out of memory\n" : buffer_text(&problems), stderr);
    buffer_clear(&problems);
    if (failed)
        return failed == PA_ERR_MEMORY ? EXIT_CODE_FAILURE : EXIT_CODE_CONFIG;
    for (char **entry = command->config.dotenv_environment; entry && *entry; entry++)
        putenv(*entry);
    map_process_hide_secrets();
    const struct map_process_options bounds = {
        .cpu_ms = command->config.mapping_timeout_ms,
        .memory_bytes = (size_t)command->config.mapping_max_memory,
    };
    command->bounds = map_process_bounds(&bounds, MAP_PATIENT);
    command->options.secret = command->config.client_secret.value;
    command->options.detailed = command->config.detailed_logging;
    return EXIT_CODE_OK;
}

/** Compiles the file, or the built-in mappings where the agent would use them. */
static int compile_file(struct map_command *command, const char *path, struct slice text,
                        struct buffer *problems)
{
    struct buffer wrong = {0}, odd = {0}, warnings = {0}, hints = {0};
    int failed = mappings_load(text, &command->mappings, &wrong, &odd);
    if (!failed)
        mappings_accept_too(command->mappings, 0, command->config.client_secret_previous.value);
    mapping_file_add_lines(problems, path, buffer_slice(&wrong));
    map_hint_texts(buffer_slice(&wrong), &hints);
    mapping_file_add_lines(problems, path, buffer_slice(&hints));
    mapping_file_add_lines(&warnings, path, buffer_slice(&odd));
    fputs(buffer_text(&warnings), stderr);
    buffer_clear(&wrong);
    buffer_clear(&odd);
    buffer_clear(&warnings);
    buffer_clear(&hints);
    return failed;
}

static int load_mappings(struct map_command *command)
{
    const char *path = command->mapping ? command->mapping : command->config.mapping_path;
    struct buffer text = {0}, problems = {0};
    snprintf(command->source, sizeof command->source, "%s", path);
    int failed =
        mapping_file_read(command->mapping ? "--mapping" : MAPPING_FILE_SETTING, path, &text, &problems);
    if (failed == PA_ERR_NOT_FOUND) {
        snprintf(command->source, sizeof command->source, "built-in mappings (there is no %s)", path);
        buffer_append_text(&text, mappings_builtin);
        mappings_builtin_hide_variables(config_hide);
    }
    if (!failed || failed == PA_ERR_NOT_FOUND)
        failed = compile_file(command, path, buffer_slice(&text), &problems);
    if (failed)
        fputs(failed == PA_ERR_MEMORY ? "port-agent map: out of memory\n" : buffer_text(&problems), stderr);
    buffer_clear(&text);
    buffer_clear(&problems);
    command->options.mappings = command->mappings;
    return !failed ? EXIT_CODE_OK : failed == PA_ERR_MEMORY ? EXIT_CODE_FAILURE : EXIT_CODE_CONFIG;
}

static int read_response(struct map_command *command, struct slice text, struct error *err)
{
    command->options.response = &command->answer;
    return map_response_read(text, &command->answer, err);
}

static int read_expectation(struct map_command *command, struct slice text, struct error *err)
{
    return json_canonical(text, &command->expected, err);
}

/** NULL: the option was not given. */
static int load_option(struct map_command *command, const char *option, const char *file,
                       int (*read_text)(struct map_command *command, struct slice text, struct error *err))
{
    struct buffer text = {0};
    struct error err = {0};
    if (!file)
        return EXIT_CODE_OK;
    int failed = input_read(file, MAP_RESPONSE_MAX, &text, &err);
    if (!failed)
        failed = read_text(command, buffer_slice(&text), &err);
    if (failed)
        fprintf(stderr, "port-agent map: %s: %s\n", option, err.message);
    buffer_clear(&text);
    return failed ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

/* One event */

static bool write_out(struct buffer *text)
{
    return fwrite(buffer_text(text), 1, text->len, stdout) == text->len && fflush(stdout) == 0;
}

/** True: the event is mapped as expected. */
static bool show_comparison(const struct map_command *command, const char *name,
                            const struct explanation *explanation, struct buffer *text)
{
    struct buffer json = {0}, differences = {0};
    struct slice expected = map_expectation(buffer_slice(&command->expected), command->shown);
    map_show_json(explanation, &json);
    bool same =
        !slice_is_null(expected) && map_expect(expected, slice_trim(buffer_slice(&json)), &differences);
    if (slice_is_null(expected))
        buffer_append_text(&differences, "the list of what is expected ends before it\n");
    if (command->json) {
        buffer_append_text(text, "{\"event\":");
        buffer_append_json_string(text, slice_of(name));
        buffer_appendf(text, ",\"as_expected\":%s,\"differences\":", same ? "true" : "false");
        buffer_append_json_string(text, buffer_slice(&differences));
        buffer_append_text(text, "}\n");
    } else {
        buffer_appendf(text, "── %s: %s\n%s", name, same ? "as expected" : "not as expected",
                       buffer_text(&differences));
    }
    text->failed |= json.failed || differences.failed;
    buffer_clear(&json);
    buffer_clear(&differences);
    return same;
}

static void show_explanation(const struct map_command *command, const char *name,
                             const struct explanation *explanation, struct buffer *text)
{
    if (command->json) {
        map_show_json(explanation, text);
        return;
    }
    buffer_appendf(text, "%s── %s, mapped by %s\n", command->shown > 0 ? "\n" : "", name, command->source);
    map_show_text(explanation, command->options.response != NULL, text);
}

/** In the child. */
static _Noreturn void explain(const struct map_command *command, const char *name, struct slice record)
{
    struct explanation explanation;
    struct buffer text = {0};
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing >= 0)
        dup2(nothing, STDERR_FILENO); /* libjq's last words are the parent's to say */
    map_process_confine(&command->bounds);
    map_process_limit_time(command->bounds.cpu_ms);
    explanation_make(&command->options, record, &explanation);
    map_process_limit_time(0);
    bool positive = explanation.failure.len == 0;
    if (command->expect)
        positive = show_comparison(command, name, &explanation, &text);
    else
        show_explanation(command, name, &explanation, &text);
    if (explanation.out_of_memory || text.failed)
        _exit(MAP_PROCESS_NO_MEMORY); /* as libjq's programs do */
    if (!write_out(&text))
        _exit(UNWRITABLE);
    _exit(positive ? EXIT_CODE_OK : EXIT_CODE_FAILURE);
}

/** What is shown of an event whose evaluation was ended. */
static void tell_death(struct map_command *command, const char *name, int status)
{
    char reason[128];
    struct buffer text = {0};
    struct explanation explanation = {.ended = true};
    event_init(&explanation.event);
    map_process_describe_death(&command->bounds, status, reason);
    buffer_append_text(&explanation.failure, reason);
    if (*command->options.evaluating)
        buffer_appendf(&explanation.failure, "; the last expression that was completed was that of %s",
                       command->options.evaluating);
    show_explanation(command, name, &explanation, &text);
    PA_IGNORE(write_out(&text)); /* the command has failed already */
    buffer_clear(&text);
    explanation_clear(&explanation);
}

/** False: no process can be made, or the output cannot be written. */
static bool explain_event(struct map_command *command, const char *name, struct slice record)
{
    int status = 0;
    *command->options.evaluating = '\0';
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "port-agent map: no process for the event: %s\n", strerror(errno));
        return false;
    }
    if (child == 0)
        explain(command, name, record);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) == MAP_PROCESS_NO_MEMORY)
        tell_death(command, name, status);
    command->shown++;
    command->negative |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != UNWRITABLE)
        return true;
    fputs("port-agent map: standard output cannot be written\n", stderr);
    return false;
}

/* All events */

static bool explain_file(struct map_command *command, const char *path)
{
    struct buffer text = {0};
    struct error err = {0};
    bool going = input_read(path, (size_t)command->config.record_max_bytes, &text, &err) == 0;
    if (!going)
        fprintf(stderr, "port-agent map: --event: %s\n", err.message);
    else
        going = explain_event(command, strcmp(path, "-") == 0 ? "standard input" : path, buffer_slice(&text));
    buffer_clear(&text);
    return going;
}

/** The next line, without its end. False: there is none, it cannot be read, or it is longer than `max`. */
static bool read_event_line(FILE *file, size_t max, struct buffer *line)
{
    int c;
    line->len = 0;
    while ((c = getc_unlocked(file)) != EOF && c != '\n' && line->len <= max && !line->failed)
        buffer_append_char(line, (char)c);
    return !ferror(file) && !line->failed && line->len <= max && (c != EOF || line->len > 0);
}

/** Why it ended; NULL: there is nothing more. */
static const char *why_no_line(FILE *file, const struct buffer *line, size_t max)
{
    return ferror(file)      ? strerror(errno)
           : line->failed    ? "out of memory"
           : line->len > max ? "a line is longer than RECORD_MAX_BYTES"
                             : NULL;
}

static bool explain_lines(struct map_command *command)
{
    bool going = true, standard = strcmp(command->lines, "-") == 0;
    char name[300];
    struct buffer line = {0};
    size_t number = 0, max = (size_t)command->config.record_max_bytes;
    FILE *file = standard ? stdin : fopen(command->lines, "re");
    if (!file) {
        fprintf(stderr, "port-agent map: --events: '%s' cannot be read: %s\n", command->lines,
                strerror(errno));
        return false;
    }
    while (going && read_event_line(file, max, &line)) {
        struct slice record = slice_trim(buffer_slice(&line));
        snprintf(name, sizeof name, "%s, line %zu", standard ? "standard input" : command->lines, ++number);
        if (record.len > 0)
            going = explain_event(command, name, record);
    }
    const char *why = going ? why_no_line(file, &line, max) : NULL;
    bool empty = going && !why && command->shown == 0;
    if (why || empty)
        fprintf(stderr, "port-agent map: --events: '%s' %s%s\n", command->lines,
                why ? "cannot be read: " : "is empty", why ? why : "");
    buffer_clear(&line);
    if (!standard)
        fclose(file);
    return going && !why && !empty;
}

static int explain_all(struct map_command *command)
{
    bool going = true;
    command->options.evaluating =
        mmap(NULL, EVALUATING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    command->options.evaluating_size = EVALUATING_SIZE;
    if (command->options.evaluating == MAP_FAILED) {
        fputs("port-agent map: out of memory\n", stderr);
        return EXIT_CODE_FAILURE;
    }
    for (size_t i = 0; i < command->events.count && going; i++)
        going = explain_file(command, command->events.items[i]);
    if (command->lines && going)
        going = explain_lines(command);
    munmap(command->options.evaluating, EVALUATING_SIZE);
    return going && !command->negative ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static int map_events(struct map_command *command)
{
    int code = load_map_settings(command);
    if (code == EXIT_CODE_OK)
        code = load_mappings(command);
    if (code == EXIT_CODE_OK)
        code = load_option(command, "--response", command->response, read_response);
    if (code == EXIT_CODE_OK)
        code = load_option(command, "--expect", command->expect, read_expectation);
    if (code == EXIT_CODE_OK)
        code = explain_all(command);
    mappings_free(command->mappings);
    map_response_clear(&command->answer);
    buffer_clear(&command->expected);
    config_clear(&command->config);
    return code;
}

/* The command line */

static bool read_kind(const char *text, enum explain_kind *kind)
{
    *kind = !text ? EXPLAIN_BY_CONTENT : strcmp(text, "change-log") == 0 ? EXPLAIN_CHANGE_LOG : EXPLAIN_RUN;
    return !text || *kind == EXPLAIN_CHANGE_LOG || strcmp(text, "run") == 0;
}

static unsigned is_input(const char *file)
{
    return file && strcmp(file, "-") == 0;
}

/** How many files of the command line are standard input, which can be read once. */
static unsigned count_inputs(const struct map_command *command)
{
    unsigned inputs = is_input(command->lines) + is_input(command->response) + is_input(command->expect);
    for (size_t i = 0; i < command->events.count; i++)
        inputs += is_input(command->events.items[i]);
    return inputs;
}

static const char intro[] =
    "Shows what the mapping file makes of an event: which mapping applies and why, what each jq\n"
    "expression gives, the request that is sent and, for an answer, the report to Port. Nothing is\n"
    "sent, and no setting is needed; PORT_CLIENT_SECRET, where it is set, decrypts\n"
    "fieldsToDecryptPaths. Decrypted values, headers like Authorization and values from variables\n"
    "that are named like secrets are shown as ***. MAPPING_TIMEOUT and MAPPING_MAX_MEMORY bound\n"
    "each event as they do in the agent.\n\n"
    "  port-agent map --event event.json --mapping mapping.json --response answer.json\n"
    "  port-agent map --event event.json --output json > expected.json\n"
    "  port-agent map --event event.json --expect expected.json";

static int map_choices_check(struct map_command *command, const struct command_usage *usage)
{
    if (!read_kind(command->kind, &command->options.kind))
        return options_wrong(usage, "--kind: '%s' is neither run nor change-log", command->kind);
    if (command->events.count == 0 && !command->lines)
        return options_wrong(usage, "--event is missing; write --event FILE, or --events FILE");
    if (count_inputs(command) > 1)
        return options_wrong(usage, "standard input (-) is named twice and can be read once; write a file");
    return OPTIONS_GO_ON;
}

static int parse_and_map(struct map_command *command, int argc, char **argv)
{
    const struct command_option options[] = {
        {.name = "event",
         .value = "FILE",
         .list = &command->events,
         .help =
             "an event as it stands in the topic, with or without signature headers; - is standard input;\n"
             "                             may be given several times"},
        {.name = "events", .value = "FILE", .text = &command->lines, .help = "the same, one event a line"},
        {.name = "mapping",
         .value = "FILE",
         .text = &command->mapping,
         .help = "the mapping file; default: CONTROL_THE_PAYLOAD_CONFIG_PATH, without that the built-in "
                 "mappings"},
        {.name = "response",
         .value = "FILE",
         .text = &command->response,
         .help =
             "also show the report for this answer: {\"statusCode\": 201, \"headers\": {…}, \"json\": …}\n"
             "                             (or \"text\": \"…\"), or just a body, which is then an answer "
             "200"},
        {.name = "expect",
         .value = "FILE",
         .text = &command->expect,
         .help = "compare with this instead: JSON as --output json writes it, or a part of it; a list for "
                 "several events"},
        {.name = "kind",
         .value = "run|change-log",
         .text = &command->kind,
         .help = "the topic that the event is from; default: change-log where it has a changelogDestination"},
        OPTION_OUTPUT(&command->json, "json: one object a line for each event"),
    };
    const struct command_usage usage = {
        .command = "map",
        .summary = "--event FILE [--mapping FILE] [--response FILE] [--output text|json]",
        .intro = intro,
        .exit_codes = "Exit codes: 0 every event makes a request (--expect: the expected one); 1 one does "
                      "not (no mapping applies, or its "
                      "result is\n"
                      "not a request), or a file cannot be read; 64 wrong usage; 78 the mapping file or a "
                      "setting is wrong.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int code = options_parse(&usage, argc, argv);
    if (code == OPTIONS_GO_ON)
        code = map_choices_check(command, &usage);
    return code == OPTIONS_GO_ON ? map_events(command) : code;
}

int command_map(int argc, char **argv)
{
    struct map_command command = {0};
    int code = parse_and_map(&command, argc, argv);
    free((void *)command.events.items);
    return code;
}
