/* See reload.h. One read at a time: a struct reading is the thread pool's until read_done, and the loop
 * changes nothing that it looks at meanwhile. */
#include "reload.h"
#include "agent/input.h"
#include "agent/mapping_process.h"
#include "agent/status/service.h"
#include "base/cut.h"
#include "certificates.h"
#include "config/watched.h"
#include "setup.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/** A former file keeps processes for as long as a run waits for its report. */
enum { MAPPING_FILES_MAX = 4 };

extern char **environ;

/** What is read, judged and told apart from the rest. */
enum part { PART_MAPPING, PART_SECRET, PART_TOKEN, PART_COLLECTOR, PART_CERTIFICATES, PART_BROKERS, PARTS };
static const char *const part_names[PARTS] = {
    [PART_MAPPING] = "mapping file",      [PART_SECRET] = "client secret",
    [PART_TOKEN] = "admin token",         [PART_COLLECTOR] = "collector's headers",
    [PART_CERTIFICATES] = "certificates", [PART_BROKERS] = "brokers' certificate"};
static const char *const needs[] = {"PORT_CLIENT_SECRET",    "PORT_CLIENT_SECRET_PREVIOUS",
                                    SETTINGS_OF_AUTHORITIES, SETTINGS_OF_CLIENT_CERTIFICATES,
                                    "ADMIN_TOKEN",           "OTEL_EXPORTER_OTLP_HEADERS"};

struct reload {
    uv_loop_t *loop;
    struct daemon *daemon;
    /** NULL: nobody asks. */
    struct status_service *status;
    const struct config *config;
    uv_timer_t timer;
    /** The last of the two frees us: the timer's end, and a read's. */
    bool busy, closed, timer_closed;
    /** By a person, while a read was under way. */
    bool asked_again;
    /** What is looked at, and how it looked; the next look reads in any case. */
    struct buffer paths, marks;
    bool again;
    /** In force. */
    struct buffer mapping_text;
    bool mapping_file;
    struct buffer secret, previous, former, token, headers;
    struct certificates certificates;
    /** Why what is there is refused; empty: it is not. */
    struct buffer refused[PARTS];
    struct reload_view view;
    char changed[128];
};

struct reading {
    uv_work_t work;
    struct reload *reload;
    bool asked;
    /** Of our own. */
    int nursery;
    size_t mapping_files;
    /** Nothing has changed; the rest says nothing then. */
    bool same;
    struct config config;
    struct buffer paths, marks;
    bool again;
    struct buffer problems[PARTS], warnings;
    struct buffer mapping_text;
    bool mapping_file;
    struct client_files files;
    struct certificates certificates;
    bool changed[PARTS];
    /** -1: none was needed, or it could not be made. */
    int compiler;
};

/* In the thread pool */

static bool same_bytes(const struct buffer *a, struct slice b)
{
    return slice_equal(buffer_slice(a), b) || (a->len == 0 && b.len == 0);
}

static enum part part_of(const struct setting_problem *problem)
{
    const char *name = problem->setting ? problem->setting : "";
    if (strncmp(name, "KAFKA_", 6) == 0)
        return PART_BROKERS;
    if (strcmp(name, "ADMIN_TOKEN") == 0)
        return PART_TOKEN;
    if (strncmp(name, "OTEL_", 5) == 0)
        return PART_COLLECTOR;
    return !*name || strncmp(name, "PORT_CLIENT_SECRET", 18) == 0 ? PART_SECRET : PART_CERTIFICATES;
}

/** Of a secret that has a part of its own. */
static void judge_secret(struct reading *reading, enum part part, const struct buffer *in_force,
                         struct slice value, const char *emptied)
{
    struct buffer *problems = &reading->problems[part];
    if (problems->len == 0 && value.len == 0 && in_force->len > 0)
        buffer_append_text(problems, emptied);
    reading->changed[part] = problems->len == 0 && !same_bytes(in_force, value);
}

/** The secrets, and the client certificates. False: out of memory. */
static bool read_settings(struct reading *reading)
{
    struct config_input input = {.environment = environ,
                                 .dotenv_path = ".env",
                                 .needs = needs,
                                 .needs_count = sizeof needs / sizeof *needs,
                                 .again = true};
    const struct reload *reload = reading->reload;
    struct buffer *problems = &reading->problems[PART_SECRET];
    struct setting_problems found = {0};
    bool read = config_load(&reading->config, &input, &found) != PA_ERR_MEMORY;
    for (size_t i = 0; i < found.count; i++)
        buffer_appendf(&reading->problems[part_of(&found.list[i])], "%s\n", found.list[i].sentence);
    setting_problems_clear(&found);
    struct slice secret = reading->config.client_secret.value;
    if (!read) {
        buffer_append_text(problems, "out of memory\n");
        reading->again = true;
    } else if (problems->len == 0 && secret.len == 0 && reload->secret.len > 0) {
        buffer_append_text(problems, "PORT_CLIENT_SECRET: is empty now; write the secret into the file\n");
    }
    reading->changed[PART_SECRET] =
        problems->len == 0 && (!same_bytes(&reload->secret, secret) ||
                               !same_bytes(&reload->previous, reading->config.client_secret_previous.value));
    if (!read)
        return false;
    judge_secret(reading, PART_TOKEN, &reload->token, reading->config.admin_token.value,
                 "ADMIN_TOKEN: is empty now; write the token into the file\n");
    judge_secret(reading, PART_COLLECTOR, &reload->headers, reading->config.tracing.headers.value,
                 "OTEL_EXPORTER_OTLP_HEADERS: is empty now; write the headers into the file\n");
    return true;
}

static void read_certificates(struct reading *reading)
{
    const struct certificates *in_force = &reading->reload->certificates;
    struct buffer *brokers = &reading->problems[PART_BROKERS];
    int failed = certificates_read(&reading->config, in_force, &reading->files, &reading->certificates,
                                   &reading->paths, &reading->problems[PART_CERTIFICATES]);
    reading->again |= failed == PA_ERR_MEMORY || failed == PA_ERR_IO;
    reading->changed[PART_CERTIFICATES] = !failed && !certificates_same(in_force, &reading->certificates);
    if (brokers->len == 0 && !certificates_same_for_brokers(in_force, &reading->certificates))
        buffer_append_text(brokers, "KAFKA_CONSUMER_SSL_CERTIFICATE: has changed, and brokers are shown the "
                                    "one before until the agent starts anew; restart it\n");
}

static void read_mapping(struct reading *reading)
{
    const struct reload *reload = reading->reload;
    const char *path = reload->config->mapping_path;
    struct buffer *problems = &reading->problems[PART_MAPPING];
    int failed = mapping_file_read(MAPPING_FILE_SETTING, path, &reading->mapping_text, problems);
    reading->mapping_file = !failed;
    if (failed == PA_ERR_MEMORY) {
        buffer_append_text(problems, "out of memory\n");
        reading->again = true;
    } else if (failed == PA_ERR_NOT_FOUND && reload->mapping_file) {
        buffer_appendf(problems, "%s is gone; for the built-in mappings, start the agent without it\n", path);
    }
    reading->changed[PART_MAPPING] =
        !failed &&
        (!reload->mapping_file || !same_bytes(&reload->mapping_text, buffer_slice(&reading->mapping_text)));
}

/** With the secrets that will be in force. */
static void compile_again(struct reading *reading, struct slice text)
{
    const struct reload *reload = reading->reload;
    const struct config *fresh = &reading->config;
    struct mapping_renewal renewal = {
        .nursery = reading->nursery,
        .text = text,
        .secret = buffer_slice(&reload->secret),
        .previous_secrets = {buffer_slice(&reload->previous), buffer_slice(&reload->former)}};
    if (reading->changed[PART_SECRET]) {
        renewal.secret = fresh->client_secret.value;
        renewal.previous_secrets[0] = fresh->client_secret_previous.value;
        if (!same_bytes(&reload->secret, renewal.secret))
            renewal.previous_secrets[1] = buffer_slice(&reload->secret);
    }
    int failed = mapping_process_renew(reload->config, &renewal, &reading->compiler,
                                       &reading->problems[PART_MAPPING], &reading->warnings);
    reading->again |= failed == PA_ERR_MEMORY || failed == PA_ERR_IO;
}

static void compile(struct reading *reading)
{
    const struct reload *reload = reading->reload;
    if (!reading->changed[PART_MAPPING] && !reading->changed[PART_SECRET])
        return;
    if (reading->mapping_files >= MAPPING_FILES_MAX) {
        buffer_append_text(&reading->problems[reading->changed[PART_MAPPING] ? PART_MAPPING : PART_SECRET],
                           "runs still wait for reports by files before this one; it is looked at again when "
                           "they have them\n");
        reading->changed[PART_MAPPING] = reading->changed[PART_SECRET] = false;
        reading->again = true;
        return;
    }
    if (reading->changed[PART_MAPPING]) {
        compile_again(reading, buffer_slice(&reading->mapping_text));
        reading->changed[PART_MAPPING] = reading->compiler >= 0;
    }
    /* With another secret, what is in force is compiled again: it may decrypt. */
    if (reading->compiler < 0 && reading->changed[PART_SECRET]) {
        compile_again(reading,
                      reload->mapping_file ? buffer_slice(&reload->mapping_text) : (struct slice){NULL, 0});
        reading->changed[PART_SECRET] = reading->compiler >= 0;
    }
}

static void read_work(uv_work_t *work)
{
    struct reading *reading = work->data;
    const struct reload *reload = reading->reload;
    struct buffer marks = {0};
    bool recent = watched_look(buffer_slice(&reload->paths), &marks);
    reading->same = !reading->asked && !recent && !reload->again && !marks.failed &&
                    same_bytes(&reload->marks, buffer_slice(&marks));
    buffer_clear(&marks);
    if (reading->same)
        return;
    if (read_settings(reading))
        read_certificates(reading);
    read_mapping(reading);
    compile(reading);
    const char *path = reload->config->mapping_path;
    buffer_append(&reading->paths, path, strlen(path) + 1);
    buffer_append_slice(&reading->paths, buffer_slice(&reading->config.files));
    reading->again |= watched_look(buffer_slice(&reading->paths), &reading->marks);
}

/* On the loop */

static void exchange(struct buffer *a, struct buffer *b)
{
    struct buffer before = *a;
    *a = *b;
    *b = before;
}

static bool use_secrets(struct reload *reload, struct reading *reading)
{
    struct slice secret = reading->config.client_secret.value,
                 previous = reading->config.client_secret_previous.value;
    struct buffer fresh = {0}, fresh_previous = {0};
    bool other = !same_bytes(&reload->secret, secret);
    buffer_append_slice(&fresh, secret);
    buffer_append_slice(&fresh_previous, previous);
    bool used = !fresh.failed && !fresh_previous.failed &&
                daemon_use_secrets(reload->daemon, buffer_slice(&fresh), buffer_slice(&fresh_previous),
                                   buffer_slice(other ? &reload->secret : &reload->former)) == 0;
    if (used) {
        if (other)
            exchange(&reload->former, &reload->secret);
        exchange(&reload->secret, &fresh);
        exchange(&reload->previous, &fresh_previous);
    }
    buffer_wipe(&fresh);
    buffer_wipe(&fresh_previous);
    return used;
}

static bool use_token(struct reload *reload, const struct reading *reading)
{
    struct buffer fresh = {0};
    buffer_append_slice(&fresh, reading->config.admin_token.value);
    bool used = !fresh.failed;
    if (used) {
        exchange(&reload->token, &fresh);
        status_service_use_token(reload->status, buffer_slice(&reload->token));
        daemon_use_admin_token(reload->daemon, buffer_slice(&reload->token));
    }
    buffer_wipe(&fresh);
    return used;
}

static bool use_headers(struct reload *reload, const struct reading *reading)
{
    struct buffer fresh = {0};
    buffer_append_slice(&fresh, reading->config.tracing.headers.value);
    bool used = !fresh.failed && daemon_use_collector_headers(reload->daemon, buffer_slice(&fresh));
    if (used)
        exchange(&reload->headers, &fresh);
    buffer_wipe(&fresh);
    return used;
}

static bool use_mappings(struct reload *reload, struct reading *reading)
{
    int compiler = reading->compiler;
    bool is_file = reading->changed[PART_MAPPING] || reload->mapping_file;
    reading->compiler = -1;
    if (!daemon_use_mappings(reload->daemon, compiler, is_file))
        return false;
    if (reading->changed[PART_MAPPING])
        exchange(&reload->mapping_text, &reading->mapping_text);
    reload->mapping_file = is_file;
    return true;
}

static bool use_certificates(struct reload *reload, struct reading *reading)
{
    struct error err = {0};
    struct buffer *problems = &reading->problems[PART_CERTIFICATES];
    bool wait = daemon_former_clients(reload->daemon);
    if (wait)
        buffer_append_text(problems, "requests are still under way with the certificates before these; it is "
                                     "looked at again when they are over\n");
    else if (daemon_use_certificates(reload->daemon, &reading->files, &err) != 0)
        buffer_appendf(problems, "%s\n", err.message);
    if (problems->len > 0)
        return false;
    if (!certificates_trust_the_same(&reload->certificates, &reading->certificates) &&
        reload->config->streamer == STREAMER_KAFKA && strstr(reload->config->security_protocol, "ssl"))
        log_warning("authorities have changed, and brokers are trusted by those before: restart the agent "
                    "to use them there",
                    F_NONE);
    certificates_clear(&reload->certificates);
    reload->certificates = reading->certificates;
    reading->certificates = (struct certificates){0};
    return true;
}

/** There is no memory to use what was read. It is read again at the next look. */
static void put_off(struct reading *reading, enum part part)
{
    buffer_append_text(&reading->problems[part], "out of memory\n");
    reading->changed[part] = false;
    reading->again = true;
}

static void use(struct reload *reload, struct reading *reading)
{
    if (reading->compiler >= 0 && !use_mappings(reload, reading)) {
        put_off(reading, PART_MAPPING);
        reading->changed[PART_SECRET] = false;
    }
    if (reading->changed[PART_SECRET] && !use_secrets(reload, reading))
        put_off(reading, PART_SECRET);
    if (reading->changed[PART_TOKEN] && !use_token(reload, reading))
        put_off(reading, PART_TOKEN);
    if (reading->changed[PART_COLLECTOR] && !use_headers(reload, reading))
        put_off(reading, PART_COLLECTOR);
    if (reading->changed[PART_CERTIFICATES] && !use_certificates(reload, reading)) {
        reading->changed[PART_CERTIFICATES] = false;
        reading->again = true;
    } else if (reading->files.authorities && reading->problems[PART_CERTIFICATES].len == 0) {
        exchange(&reload->certificates.warnings, &reading->certificates.warnings);
    }
}

/** Told when it begins to be refused, or is refused for another reason. */
static void judge_part(struct reload *reload, enum part part, struct buffer *problems)
{
    struct status_parts parts;
    struct buffer *refused = &reload->refused[part];
    char sentence[256];
    bool told = same_bytes(refused, buffer_slice(problems));
    daemon_parts(reload->daemon, &parts);
    exchange(refused, problems);
    struct slice all_lines = buffer_slice(refused);
    slice_copy_cut(slice_cut(&all_lines, '\n'), sentence, sizeof sentence);
    if (refused->len == 0) {
        condition_ended(parts.conditions, CONDITION_RELOAD_REFUSED, part_names[part], 0);
        return;
    }
    condition_met(parts.conditions, CONDITION_RELOAD_REFUSED, part_names[part], 0, sentence);
    if (told)
        return;
    struct buffer lines = {0};
    buffer_append_slice(&lines, buffer_slice(refused));
    setup_tell_lines("reload refused", F_STR("reason", ""), &lines);
    reload->view.refused_wall_ms = clock_wall_ms(clock_system());
    memcpy(reload->view.refused, sentence, sizeof sentence);
}

static void tell_outcome(struct reload *reload, const struct reading *reading)
{
    char changed[sizeof reload->view.changed] = "";
    size_t len = 0;
    bool refused = false;
    for (int part = 0; part < PARTS; part++) {
        refused |= reload->refused[part].len > 0;
        if (reading->changed[part])
            len += (size_t)snprintf(changed + len, sizeof changed - len, "%s%s", len > 0 ? ", " : "",
                                    part_names[part]);
    }
    if (len > 0) {
        memcpy(reload->view.changed, changed, sizeof changed);
        reload->view.generation++;
        reload->view.wall_ms = clock_wall_ms(clock_system());
        log_info("reloaded", F_STR("changed", reload->view.changed),
                 F_INT("generation", reload->view.generation));
    } else if (reading->asked && !refused) {
        log_info("nothing to reload: no file has changed", F_NONE);
    }
}

static void reading_free(struct reading *reading)
{
    if (reading->compiler >= 0)
        close(reading->compiler);
    if (reading->nursery >= 0)
        close(reading->nursery);
    for (int part = 0; part < PARTS; part++)
        buffer_clear(&reading->problems[part]);
    buffer_clear(&reading->warnings);
    buffer_clear(&reading->mapping_text);
    buffer_clear(&reading->paths);
    buffer_clear(&reading->marks);
    certificates_clear(&reading->certificates);
    client_files_free(&reading->files);
    config_clear(&reading->config);
    free(reading);
}

static void reload_free(struct reload *reload)
{
    struct buffer *const buffers[] = {&reload->paths,  &reload->marks,    &reload->mapping_text,
                                      &reload->secret, &reload->previous, &reload->former,
                                      &reload->token,  &reload->headers};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_wipe(buffers[i]);
    for (int part = 0; part < PARTS; part++)
        buffer_clear(&reload->refused[part]);
    certificates_clear(&reload->certificates);
    free(reload);
}

static void start_reading(struct reload *reload, bool asked);

static void read_done(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct reload *reload = reading->reload;
    struct status_parts parts;
    (void)status; /* nobody cancels it */
    reload->busy = false;
    if (reload->closed) {
        reading_free(reading);
        if (reload->timer_closed)
            reload_free(reload);
        return;
    }
    daemon_parts(reload->daemon, &parts);
    if (!reading->same && parts.running) {
        use(reload, reading);
        for (int part = 0; part < PARTS; part++)
            judge_part(reload, (enum part)part, &reading->problems[part]);
        setup_tell_lines("mapping file", F_STR("reason", ""), &reading->warnings);
        if (reading->changed[PART_CERTIFICATES] || reading->changed[PART_SECRET] ||
            reading->changed[PART_TOKEN] || reading->changed[PART_COLLECTOR])
            setup_tell_lines("settings", F_STR("reason", ""), &reading->config.warnings);
        tell_outcome(reload, reading);
        reload->again = reading->again || reading->marks.failed || reading->paths.failed;
        exchange(&reload->paths, &reading->paths);
        exchange(&reload->marks, &reading->marks);
    }
    reading_free(reading);
    if (reload->asked_again)
        start_reading(reload, true);
}

/** Out of memory or descriptors: the next look makes up for it. */
static void start_reading(struct reload *reload, bool asked)
{
    struct reading *reading = calloc(1, sizeof *reading);
    reload->asked_again = false;
    if (!reading) {
        reload->again = true;
        return;
    }
    reading->reload = reload;
    reading->asked = asked;
    reading->compiler = -1;
    reading->mapping_files = daemon_mapping_files(reload->daemon);
    reading->nursery = fcntl(daemon_nursery(reload->daemon), F_DUPFD_CLOEXEC, 3);
    reading->work.data = reading;
    reload->busy =
        reading->nursery >= 0 && uv_queue_work(reload->loop, &reading->work, read_work, read_done) == 0;
    if (reload->busy)
        return;
    reload->again = true;
    reading_free(reading);
}

void reload_ask(struct reload *reload)
{
    if (!reload)
        return;
    reload->asked_again = reload->busy;
    if (!reload->busy)
        start_reading(reload, true);
}

static void look_due(uv_timer_t *timer)
{
    struct reload *reload = timer->data;
    if (!reload->busy)
        start_reading(reload, false);
}

const struct reload_view *reload_view(const struct reload *reload)
{
    return reload ? &reload->view : NULL;
}

/* Life */

static void reload_closed(uv_handle_t *handle)
{
    struct reload *reload = handle->data;
    reload->timer_closed = true;
    if (!reload->busy)
        reload_free(reload);
}

void reload_close(struct reload *reload)
{
    if (!reload || reload->closed)
        return;
    reload->closed = true;
    uv_close((uv_handle_t *)&reload->timer, reload_closed);
}

struct reload *reload_new(uv_loop_t *loop, struct daemon *daemon, struct status_service *status,
                          struct setup *setup)
{
    const struct config *config = &setup->config;
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload)
        return NULL;
    reload->loop = loop;
    reload->daemon = daemon;
    reload->status = status;
    reload->config = config;
    reload->mapping_file = setup->mapping_file;
    exchange(&reload->mapping_text, &setup->mapping_text);
    certificates_of(config, setup->authorities, &reload->certificates);
    exchange(&reload->certificates.warnings, &setup->authority_warnings);
    buffer_append_slice(&reload->secret, config->client_secret.value);
    buffer_append_slice(&reload->previous, config->client_secret_previous.value);
    buffer_append_slice(&reload->token, config->admin_token.value);
    buffer_append_slice(&reload->headers, config->tracing.headers.value);
    buffer_append(&reload->paths, config->mapping_path, strlen(config->mapping_path) + 1);
    buffer_append_slice(&reload->paths, buffer_slice(&config->files));
    reload->again = true; /* what changed since it was read for the start */
    uv_timer_init(loop, &reload->timer);
    reload->timer.data = reload;
    uint64_t interval_ms = (uint64_t)config->reload_interval_ms;
    if (interval_ms > 0)
        uv_timer_start(&reload->timer, look_due, interval_ms, interval_ms);
    uv_unref((uv_handle_t *)&reload->timer);
    if (!reload->secret.failed && !reload->previous.failed && !reload->token.failed &&
        !reload->headers.failed && !reload->paths.failed)
        return reload;
    reload_close(reload);
    return NULL;
}
