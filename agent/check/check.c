/* `port-agent check`: are the settings and the mapping file right, and does everything exist that they name?
 */
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/mapping_process.h"
#include "agent/options.h"
#include "base/signals.h"
#include "collector.h"
#include "config/effective.h"
#include "destination.h"
#include "http/authorities.h"
#include "kafka.h"
#include "port.h"
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static const char AREA[] = "Settings";

struct check_command {
    bool connect, json, request, effective;
    const char *timeout;
    struct option_list destinations;
    int64_t timeout_ms;
    struct config config;
    struct check_steps steps;
    struct authorities *authorities;
};

/* Settings and mapping file */

/** A step for a part of the settings, whose problems (a line each) were just added. */
static void settings_step(struct check_steps *steps, const char *name, size_t problems_before,
                          const char *right)
{
    size_t count = 0;
    for (size_t i = problems_before; i < steps->problems.len; i++)
        count += steps->problems.ptr[i] == '\n';
    struct check_step *step = check_begin(steps, AREA, name, count > 0 ? CHECK_FAILED : CHECK_OK);
    if (count > 0)
        buffer_appendf(&step->detail, "%zu problem%s", count, count == 1 ? "" : "s");
    else
        buffer_append_text(&step->detail, right);
    if (count > 0)
        buffer_append_slice(&step->hint, slice_trim((struct slice){steps->problems.ptr + problems_before,
                                                                   steps->problems.len - problems_before}));
    check_end(steps, step);
}

static void warn_lines(struct check_steps *steps, const char *name, struct buffer *lines)
{
    for (const char *at = buffer_text(lines); *at; at += strcspn(at, "\n") + 1) {
        bool secret = strncmp(at, "PORT_CLIENT_SECRET:", strlen("PORT_CLIENT_SECRET:")) == 0;
        struct check_step *step = check_begin(steps, AREA, secret ? "client secret" : name, CHECK_WARNING);
        buffer_append(&step->detail, at, strcspn(at, "\n"));
        check_end(steps, step);
    }
}

static int check_config(struct check_command *command)
{
    struct config_input input = {.environment = environ, .dotenv_path = ".env"};
    int failed = input_load(&command->config, &input, &command->steps.problems);
    settings_step(&command->steps, "settings", 0, "every value is accepted");
    warn_lines(&command->steps, "settings", &command->config.warnings);
    return failed;
}

/** Without threads so far: it forks. */
static int check_mappings(struct check_command *command)
{
    struct check_steps *steps = &command->steps;
    struct map_process process = MAP_PROCESS_NONE;
    struct buffer warnings = {0}, right = {0};
    bool from_file = false;
    size_t before = steps->problems.len;
    int failed =
        mapping_process_start(&command->config, &process, &from_file, NULL, &steps->problems, &warnings);
    map_process_end(&process);
    buffer_appendf(&right, from_file ? "%s is right" : "there is no %s: the built-in mappings apply",
                   command->config.mapping_path);
    settings_step(steps, "mapping file", before, buffer_text(&right));
    warn_lines(steps, "mapping file", &warnings);
    buffer_clear(&right);
    buffer_clear(&warnings);
    return failed;
}

static void authority_left_out(void *ctx, const char *sentence)
{
    check_say(ctx, AREA, "authorities", CHECK_WARNING, sentence, NULL);
}

static void add_problem(struct check_steps *steps, const char *problem)
{
    buffer_append_one_line(&steps->problems, slice_of(problem));
    buffer_append_char(&steps->problems, '\n');
}

static int check_authorities(struct check_command *command)
{
    struct check_steps *steps = &command->steps;
    const struct authorities_options options = {.ssl_cert_file = command->config.ssl_cert_file,
                                                .requests_ca_bundle = command->config.requests_ca_bundle,
                                                .directory = AUTHORITIES_DIRECTORY,
                                                .warn = authority_left_out,
                                                .ctx = steps};
    struct error err = {0};
    struct buffer right = {0};
    size_t before = steps->problems.len;
    command->authorities = authorities_new(&options, &err);
    if (!command->authorities)
        add_problem(steps, err.message);
    else if (authorities_added(command->authorities) > 0)
        buffer_appendf(&right, "%zu certificates added to the system's",
                       authorities_added(command->authorities));
    else
        buffer_append_text(&right, "the system's certificate authorities");
    settings_step(steps, "authorities", before, buffer_text(&right));
    buffer_clear(&right);
    return command->authorities ? 0 : err.kind;
}

/** What `path` is made in. The caller frees. */
static char *parent_of(const char *path)
{
    char *copy = strdup(path), *parent = copy ? strdup(dirname(copy)) : NULL;
    free(copy);
    return parent;
}

/** Letters that cannot be written hold their records back: better known before. That it is a directory, if it
 * is there, is the settings' own check. */
static void check_dead_letters(struct check_command *command)
{
    const char *directory = command->config.dead_letter_dir;
    if (!*directory)
        return;
    char *parent = parent_of(directory);
    bool there = access(directory, F_OK) == 0;
    const char *place = there ? directory : parent ? parent : "";
    int error = access(place, W_OK | X_OK) == 0 ? 0 : errno;
    struct check_step *step =
        check_begin(&command->steps, AREA, "dead letters", error ? CHECK_FAILED : CHECK_OK);
    buffer_appendf(&step->detail, "DEAD_LETTER_DIR: %s %s", directory,
                   !error  ? there ? "can be written" : "is made when the agent starts"
                   : there ? "cannot be written: "
                           : "is not there and cannot be made: ");
    if (error)
        buffer_appendf(&step->detail, "%s%s%s", there ? "" : place, there ? "" : ": ", strerror(error));
    if (error)
        buffer_appendf(
            &step->hint,
            "%s user %ld write there: a dead letter that cannot be written holds its partition back",
            there ? "let" : "make the directory, and let", (long)geteuid());
    check_end(&command->steps, step);
    free(parent);
}

static void check_odd_settings(struct check_command *command)
{
    const struct config *config = &command->config;
    if (!config->verify_tls)
        check_say(
            &command->steps, AREA, "webhook tls", CHECK_WARNING,
            "WEBHOOK_VERIFY_SSL is false: certificates of webhook endpoints are not checked",
            "remove the setting, and set SSL_CERT_FILE to the certificate of your own authority instead");
    struct slice secret = config->client_secret.value;
    if (slice_trim(secret).len != secret.len)
        check_say(&command->steps, AREA, "client secret", CHECK_WARNING,
                  "PORT_CLIENT_SECRET begins with a blank or a line break: is that so in Port, too?", NULL);
}

/* Connections */

static void check_connections(struct check_command *command)
{
    const struct config *config = &command->config;
    const struct authorities *authorities = command->authorities;
    struct kafka_credentials credentials = {0};
    check_port(&command->steps, config, authorities, command->timeout_ms, &credentials);
    if (config->streamer == STREAMER_POLLING)
        check_say(&command->steps, "Kafka", "broker", CHECK_SKIPPED,
                  "STREAMER_NAME is POLLING: no Kafka is needed", NULL);
    else if (config->local_port)
        check_kafka(&command->steps, config, authorities, command->timeout_ms, NULL);
    else if (credentials.brokers)
        check_kafka(&command->steps, config, authorities, command->timeout_ms, &credentials);
    else
        check_say(&command->steps, "Kafka", "broker", CHECK_SKIPPED,
                  "the brokers are not known: Port's API names them", NULL);
    kafka_credentials_clear(&credentials);
    check_collector(&command->steps, config, authorities, command->timeout_ms);
}

/* The settings in force */

static void append_effective(size_t place, const char *value, const char *origin, bool json,
                             struct buffer *out)
{
    const char *name = config_settings[place].name;
    if (!json) {
        buffer_appendf(out, "%-42s %-12s %s\n", name, origin, value);
        return;
    }
    buffer_appendf(out, "%s{\"name\":\"%s\",\"from\":\"%s\",\"value\":", place > 0 ? ",\n" : "[", name,
                   origin);
    buffer_append_json_string(out, slice_of(value));
    buffer_append_char(out, '}');
}

/** The settings as they are in force, right or wrong; the problems of wrong ones follow. */
static int show_effective(struct check_command *command)
{
    struct config_input input = {.environment = environ, .dotenv_path = ".env"};
    struct buffer problems = {0}, out = {0};
    int failed = input_load(&command->config, &input, &problems);
    if (failed != PA_ERR_MEMORY) {
        for (size_t i = 0; i < config_setting_count; i++) {
            struct buffer value = {0}, line = {0};
            config_append_value(&command->config, i, &value);
            buffer_append_one_line(&line, buffer_slice(&value));
            append_effective(i, buffer_text(&line), config_origin(&command->config, i), command->json, &out);
            buffer_clear(&value);
            buffer_clear(&line);
        }
        if (command->json)
            buffer_append_text(&out, "]\n");
    }
    fwrite(buffer_text(&out), 1, out.len, stdout);
    fputs(buffer_text(&command->config.warnings), stderr);
    fputs(buffer_text(&problems), stderr);
    bool written = fflush(stdout) == 0 && !out.failed && failed != PA_ERR_MEMORY;
    buffer_clear(&problems);
    buffer_clear(&out);
    config_clear(&command->config);
    return !written ? EXIT_CODE_FAILURE : failed ? EXIT_CODE_CONFIG : EXIT_CODE_OK;
}

/** Whatever else is wrong with the settings: it needs those of webhooks alone. */
static void check_destinations(struct check_command *command)
{
    const struct authorities *authorities = command->authorities;
    for (size_t i = 0; i < command->destinations.count; i++)
        check_destination(&command->steps, &command->config, authorities, command->timeout_ms,
                          command->destinations.items[i], command->request);
}

static int check_all(struct check_command *command)
{
    int failed = check_config(command);
    if (failed == PA_ERR_MEMORY || !command->config.mapping_path)
        return EXIT_CODE_FAILURE;
    int unmapped = check_mappings(command);
    int untrusted = check_authorities(command);
    check_dead_letters(command);
    check_odd_settings(command);
    if (command->connect && !failed && !untrusted)
        check_connections(command);
    else if (command->connect)
        check_say(&command->steps, "Port's API", "connection", CHECK_SKIPPED,
                  "the settings must be right first", NULL);
    if (!untrusted)
        check_destinations(command);
    if (failed || unmapped || untrusted)
        return EXIT_CODE_CONFIG;
    return command->steps.failed > 0 ? EXIT_CODE_FAILURE : EXIT_CODE_OK;
}

static int run_checks(struct check_command *command)
{
    struct buffer json = {0};
    signals_ignore_strays();
    command->steps.shown = command->json ? NULL : stdout;
    int code = check_all(command);
    if (command->json) {
        check_json(&command->steps, &json);
        fwrite(buffer_text(&json), 1, json.len, stdout);
    } else {
        check_summary(&command->steps, stdout);
        /* The same lines as a start writes; not twice on one screen. */
        if (isatty(STDOUT_FILENO) != 1 || isatty(STDERR_FILENO) != 1)
            fwrite(buffer_text(&command->steps.problems), 1, command->steps.problems.len, stderr);
    }
    bool written = fflush(stdout) == 0 && !json.failed;
    buffer_clear(&json);
    check_clear(&command->steps);
    authorities_free(command->authorities);
    config_clear(&command->config);
    return written ? code : EXIT_CODE_FAILURE;
}

static bool read_seconds(const char *text, int64_t *out_ms)
{
    size_t digits = strspn(text, "0123456789");
    long seconds = digits > 0 && digits <= 3 && text[digits] == '\0' ? strtol(text, NULL, 10) : 0;
    *out_ms = (int64_t)seconds * 1000;
    return seconds >= 1 && seconds <= 300;
}

static int check_choices(struct check_command *command, const struct command_usage *usage)
{
    int code = OPTIONS_GO_ON;
    if (command->timeout && !read_seconds(command->timeout, &command->timeout_ms))
        return options_wrong(usage, "--timeout: '%s' is not a whole number of seconds from 1 to 300",
                             command->timeout);
    if (command->request && command->destinations.count == 0)
        return options_wrong(usage, "--request needs a destination; write --destination URL too");
    for (size_t i = 0; i < command->destinations.count && code == OPTIONS_GO_ON; i++)
        code = options_url(usage, "destination", command->destinations.items[i], "https://svc.internal/vm");
    return code;
}

static int parse_and_check(struct check_command *command, int argc, char **argv)
{
    const struct command_option options[] = {
        {.name = "connect",
         .flag = &command->connect,
         .help = "also connect to Port's API and to Kafka, as the agent would"},
        {.name = "destination",
         .value = "URL",
         .list = &command->destinations,
         .help = "also connect to this endpoint, up to TLS, as a webhook would; may be given several times"},
        {.name = "request",
         .flag = &command->request,
         .help = "also send a GET request to each --destination"},
        {.name = "effective",
         .flag = &command->effective,
         .help = "only print every setting in force and where it comes from; a secret's value is not shown"},
        {.name = "timeout",
         .value = "SECONDS",
         .text = &command->timeout,
         .help = "how many seconds a step of --connect or --destination may take (10 by default)"},
        OPTION_OUTPUT(&command->json, "json: one object with every step"),
    };
    const struct command_usage usage = {
        .command = "check",
        .summary = "[--connect] [--destination URL] [--effective] [--output text|json]",
        .intro =
            "Reads the settings (environment, .env, NAME_FILE), the mapping file and the certificate "
            "authorities, and names every problem. With --connect it also goes every step of the way to "
            "Port's API (proxy, DNS, connection, TLS chain, clock, credentials) and to Kafka (each bootstrap "
            "server, the topics, the consumer group with its members and lag), and asks whether the "
            "collector takes traces. It joins no group, takes no record and changes nothing; every step has "
            "a deadline. Secrets are never shown.\n\n"
            "  port-agent check\n"
            "  port-agent check --connect --timeout 5\n"
            "  port-agent check --destination https://svc.internal/vm\n"
            "  port-agent check --effective",
        .exit_codes = "Exit codes: 0 no problem (there may be warnings); 1 a step of --connect or "
                      "--destination failed, or dead letters cannot be written; 64 wrong usage; 78 settings, "
                      "mapping file or authorities are wrong (a line each on standard error).",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    int code = options_parse(&usage, argc, argv);
    if (code == OPTIONS_GO_ON)
        code = check_choices(command, &usage);
    if (code != OPTIONS_GO_ON)
        return code;
    return command->effective ? show_effective(command) : run_checks(command);
}

int command_check(int argc, char **argv)
{
    struct check_command command = {.timeout_ms = 10000};
    int code = parse_and_check(&command, argc, argv);
    free((void *)command.destinations.items);
    return code;
}
