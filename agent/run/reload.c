/* See reload.h. One read at a time: a struct reading is the thread pool's until read_done, and the loop
 * changes nothing that it looks at meanwhile. */
#include "reload.h"
#include "agent/mapping_process.h"
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
enum part { PART_MAPPING, PART_SECRET, PARTS };
static const char *const part_names[PARTS] = {
    [PART_MAPPING] = "mapping file", [PART_SECRET] = "client secret"};
static const char *const needs[] = {"PORT_CLIENT_SECRET", "PORT_CLIENT_SECRET_PREVIOUS"};

struct reload {
    uv_loop_t *loop;
    struct daemon *daemon;
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
    struct buffer secret, previous, former;
    /** Why what is there is refused; empty: it is not. */
    struct buffer refused[PARTS];
    struct reload_view view;
    char changed[64];
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
    bool mapping_file, mapping_changed, secret_changed;
    /** -1: none was needed, or it could not be made. */
    int compiler;
};

/* In the thread pool */

static bool same_bytes(const struct buffer *a, struct slice b)
{
    return slice_equal(buffer_slice(a), b) || (a->len == 0 && b.len == 0);
}

static void read_secrets(struct reading *reading)
{
    struct config_input input = {.environment = environ,
                                 .dotenv_path = ".env",
                                 .needs = needs,
                                 .needs_count = sizeof needs / sizeof *needs};
    const struct reload *reload = reading->reload;
    struct buffer *problems = &reading->problems[PART_SECRET];
    struct setting_problems found = {0};
    int failed = config_load(&reading->config, &input, &found);
    setting_problems_append(&found, problems);
    setting_problems_clear(&found);
    struct slice secret = reading->config.client_secret.value;
    if (failed == PA_ERR_MEMORY) {
        buffer_append_text(problems, "out of memory\n");
        reading->again = true;
    } else if (!failed && secret.len == 0 && reload->secret.len > 0) {
        buffer_append_text(problems, "PORT_CLIENT_SECRET: is empty now; write the secret into the file\n");
    }
    reading->secret_changed =
        problems->len == 0 && (!same_bytes(&reload->secret, secret) ||
                               !same_bytes(&reload->previous, reading->config.client_secret_previous.value));
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
    reading->mapping_changed =
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
    if (reading->secret_changed) {
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
    if (!reading->mapping_changed && !reading->secret_changed)
        return;
    if (reading->mapping_files >= MAPPING_FILES_MAX) {
        buffer_append_text(&reading->problems[reading->mapping_changed ? PART_MAPPING : PART_SECRET],
                           "runs still wait for reports by files before this one; it is looked at again when "
                           "they have them\n");
        reading->mapping_changed = reading->secret_changed = false;
        reading->again = true;
        return;
    }
    if (reading->mapping_changed) {
        compile_again(reading, buffer_slice(&reading->mapping_text));
        reading->mapping_changed = reading->compiler >= 0;
    }
    /* With another secret, what is in force is compiled again: it may decrypt. */
    if (reading->compiler < 0 && reading->secret_changed) {
        compile_again(reading,
                      reload->mapping_file ? buffer_slice(&reload->mapping_text) : (struct slice){NULL, 0});
        reading->secret_changed = reading->compiler >= 0;
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
    read_secrets(reading);
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

static bool use_mappings(struct reload *reload, struct reading *reading)
{
    int compiler = reading->compiler;
    bool is_file = reading->mapping_changed || reload->mapping_file;
    reading->compiler = -1;
    if (!daemon_use_mappings(reload->daemon, compiler, is_file))
        return false;
    if (reading->mapping_changed)
        exchange(&reload->mapping_text, &reading->mapping_text);
    reload->mapping_file = is_file;
    return true;
}

static void use(struct reload *reload, struct reading *reading)
{
    if (reading->compiler >= 0 && !use_mappings(reload, reading)) {
        buffer_append_text(&reading->problems[PART_MAPPING], "out of memory\n");
        reading->mapping_changed = reading->secret_changed = false;
        reading->again = true;
    }
    if (reading->secret_changed && !use_secrets(reload, reading)) {
        buffer_append_text(&reading->problems[PART_SECRET], "out of memory\n");
        reading->secret_changed = false;
        reading->again = true;
    }
}

/** The first of the lines. */
static void first_line(struct slice lines, char *out, size_t size)
{
    const char *end = lines.len > 0 ? memchr(lines.ptr, '\n', lines.len) : NULL;
    size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
    len = len < size ? len : size - 1;
    memcpy(out, lines.len > 0 ? lines.ptr : "", len);
    out[len] = '\0';
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
    first_line(buffer_slice(refused), sentence, sizeof sentence);
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
    bool changed = reading->mapping_changed || reading->secret_changed, refused = false;
    for (int part = 0; part < PARTS; part++)
        refused |= reload->refused[part].len > 0;
    if (changed) {
        snprintf(reload->view.changed, sizeof reload->view.changed, "%s%s%s",
                 reading->mapping_changed ? part_names[PART_MAPPING] : "",
                 reading->mapping_changed && reading->secret_changed ? ", " : "",
                 reading->secret_changed ? part_names[PART_SECRET] : "");
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
    config_clear(&reading->config);
    free(reading);
}

static void reload_free(struct reload *reload)
{
    struct buffer *const buffers[] = {
        &reload->paths,    &reload->marks,  &reload->mapping_text,          &reload->secret,
        &reload->previous, &reload->former, &reload->refused[PART_MAPPING], &reload->refused[PART_SECRET]};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        buffer_wipe(buffers[i]);
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

struct reload *reload_new(uv_loop_t *loop, struct daemon *daemon, struct setup *setup)
{
    const struct config *config = &setup->config;
    struct reload *reload = calloc(1, sizeof *reload);
    if (!reload)
        return NULL;
    reload->loop = loop;
    reload->daemon = daemon;
    reload->config = config;
    reload->mapping_file = setup->mapping_file;
    exchange(&reload->mapping_text, &setup->mapping_text);
    buffer_append_slice(&reload->secret, config->client_secret.value);
    buffer_append_slice(&reload->previous, config->client_secret_previous.value);
    buffer_append(&reload->paths, config->mapping_path, strlen(config->mapping_path) + 1);
    buffer_append_slice(&reload->paths, buffer_slice(&config->files));
    reload->again = true; /* what changed since it was read for the start */
    uv_timer_init(loop, &reload->timer);
    reload->timer.data = reload;
    uint64_t interval_ms = (uint64_t)config->reload_interval_ms;
    if (interval_ms > 0)
        uv_timer_start(&reload->timer, look_due, interval_ms, interval_ms);
    uv_unref((uv_handle_t *)&reload->timer);
    if (!reload->secret.failed && !reload->previous.failed && !reload->paths.failed)
        return reload;
    reload_close(reload);
    return NULL;
}
