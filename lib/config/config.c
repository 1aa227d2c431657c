/* Reads every setting of the table from the environment, then .env; collects every problem before it gives
 * up. */
#include "config/config.h"
#include "admin/server.h"
#include "admin/socket.h"
#include "config/loading.h"
#include "config/near_name.h"
#include "config/value_file.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/** SECRET_BYTES: what HMAC-SHA-256 takes for a whole key (RFC 2104, section 3). */
enum { TOPIC_NAME_MAX = 249, SECRET_BYTES = 32 };

static const char BROKERS[] = "KAFKA_CONSUMER_BOOTSTRAP_SERVERS";

/* Where values come from */

static const char *environment_value(const struct loading *loading, const char *name)
{
    size_t len = strlen(name);
    for (char **entry = loading->input->environment; entry && *entry; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    return NULL;
}

static const char *lookup(const struct loading *loading, const char *name)
{
    const char *value = environment_value(loading, name);
    return value ? value : dotenv_get(&loading->dotenv, name);
}

enum { NAME_SIZE = 128, FORMS = 3 };

/** The setting's name with this behind it ("" or "_FILE"): all of it in lower case, its own part of it, none.
 * False: it is not read in this form. */
static bool name_in_form(const struct setting *setting, const char *suffix, size_t form, char name[NAME_SIZE])
{
    size_t base = strlen(setting->name), in_lower_case[FORMS] = {base + strlen(suffix), base, 0};
    snprintf(name, NAME_SIZE, "%s%s", setting->name, suffix);
    for (size_t c = 0; c < in_lower_case[form] && c < NAME_SIZE; c++)
        name[c] = (char)tolower((unsigned char)name[c]);
    return in_lower_case[form] == 0 || setting->either_case;
}

/** The first form's that has a value there, in the environment or in the file. An empty value is passed over,
 * except a proxy's in lower case: `http_proxy=` takes HTTP_PROXY back, as curl and Python have it. NULL: no
 * form is there. */
static const char *lookup_forms(const struct loading *loading, const struct setting *setting,
                                const char *suffix, bool in_file)
{
    char name[NAME_SIZE];
    const char *value = NULL;
    for (size_t form = 0; form < FORMS; form++) {
        if (!name_in_form(setting, suffix, form, name))
            continue;
        const char *found = in_file ? dotenv_get(&loading->dotenv, name) : environment_value(loading, name);
        value = found ? found : value;
        if (found && (*found || setting->kind == SETTING_PROXY))
            break;
    }
    return value;
}

/** The value of NAME, or of name where that counts, with this behind it: the environment's, in whatever form,
 * else the file's. NULL when it is not set or empty. */
static const char *lookup_setting(const struct loading *loading, const struct setting *setting,
                                  const char *suffix)
{
    const char *value = lookup_forms(loading, setting, suffix, false);
    if (!value)
        value = lookup_forms(loading, setting, suffix, true);
    return value && *value ? value : NULL;
}

void config_hide(void)
{
    char name[NAME_SIZE];
    for (size_t i = 0; i < config_setting_count; i++)
        for (size_t form = 0; form < FORMS; form++) {
            if (name_in_form(&config_settings[i], "", form, name))
                unsetenv(name);
            if (name_in_form(&config_settings[i], "_FILE", form, name))
                unsetenv(name);
        }
}

/** See value_file_read. */
static bool read_file(const struct loading *loading, const char *path, struct buffer *out)
{
    int wait_ms = loading->input->pipe_ms > 0 ? loading->input->pipe_ms : VALUE_FILE_PIPE_MS;
    return value_file_read(path, loading->input->again ? 0 : wait_ms, out);
}

static void strip_newline(struct buffer *value)
{
    if (value->len > 0 && value->ptr[value->len - 1] == '\n')
        value->len--;
    if (value->len > 0 && value->ptr[value->len - 1] == '\r')
        value->len--;
}

/** White space at a value's end, of whatever script, is nobody's intention: a line copied from a terminal or
 * a web page, a file that an editor ended. A proxy that is nothing else stays, for its own problem: an unset
 * one would mean no proxy. */
static char *cut_white_space(struct loading *loading, const struct setting *setting, char *text)
{
    if (!text)
        return NULL;
    size_t len = strlen(text);
    struct slice stripped = slice_strip((struct slice){text, len});
    size_t kept = stripped.len > 0 ? (size_t)(stripped.ptr + stripped.len - text) : 0;
    if (kept == len || (kept == 0 && setting->kind == SETTING_PROXY))
        return text;
    buffer_appendf(&loading->config->warnings, "%s: white space at the end of its value is cut off\n",
                   setting->name);
    explicit_bzero(text + kept, len - kept);
    if (kept > 0)
        return text;
    free(text);
    return NULL;
}

/** The setting's text as written, from NAME or NAME_FILE; NULL when it is not set (an empty value counts as
 * not set). The caller frees. */
static char *written_text_of(struct loading *loading, const struct setting *setting)
{
    const char *direct = lookup_setting(loading, setting, ""),
               *path = lookup_setting(loading, setting, "_FILE");
    if (!path)
        return direct ? loading_copy(loading, direct) : NULL;
    if (direct) {
        struct buffer rest = {0};
        buffer_appendf(&rest, "both %s and %s_FILE are set; set one of them", setting->name, setting->name);
        loading_say(loading, setting->name, buffer_text(&rest));
        loading->problems->failed |= rest.failed;
        buffer_clear(&rest);
        return loading_copy(loading, direct);
    }
    struct buffer value = {0};
    buffer_append(&loading->config->files, path, strlen(path) + 1);
    loading->problems->failed |= loading->config->files.failed;
    errno = 0;
    if (!read_file(loading, path, &value)) {
        char rest[160];
        snprintf(rest, sizeof rest, "cannot be read: %s", value_file_why(errno));
        loading_file_problem(loading, setting->name, path, rest);
        buffer_clear(&value);
        return NULL;
    }
    strip_newline(&value);
    if (slice_starts_with(buffer_slice(&value), "\xef\xbb\xbf")) /* a byte order mark, an editor's */
        memmove(value.ptr, value.ptr + 3, value.len -= 3);
    /* An empty variable is the usual way to have no proxy; an empty file is a secret that is missing. */
    const char *wrong = NULL;
    if (value.len > 0 && memchr(value.ptr, '\0', value.len))
        wrong = "has a NUL byte; write the value alone into it";
    else if (value.len == 0 && setting->kind == SETTING_PROXY)
        wrong = "is empty; write the proxy's address into it";
    if (wrong)
        loading_file_problem(loading, setting->name, path, wrong);
    char *text = buffer_take(&value, NULL);
    if (text && (!*text || wrong)) {
        free(text);
        text = NULL;
    }
    return text;
}

/** The setting's text; NULL when it is not set. The caller frees. */
static char *text_of(struct loading *loading, const struct setting *setting)
{
    return cut_white_space(loading, setting, written_text_of(loading, setting));
}

/** Of a setting that has a text. */
static enum setting_origin origin_of(const struct loading *loading, const struct setting *setting)
{
    const char *direct = lookup_setting(loading, setting, "");
    if (!direct)
        return ORIGIN_FILE;
    for (size_t i = 0; i < loading->dotenv.count; i++)
        if (direct == loading->dotenv.entries[i].value)
            return ORIGIN_DOTENV;
    return ORIGIN_ENVIRONMENT;
}

/* What settings mean together */

static void replace(struct loading *loading, char **target, const char *text)
{
    free(*target);
    *target = loading_copy(loading, text);
}

/** librdkafka passes over a broker that names another protocol than the setting, and would never connect. */
static void check_protocols(struct loading *loading)
{
    const struct config *config = loading->config;
    for (const char *at = config->bootstrap_servers; *at; at += *at == ',') {
        struct slice broker = {at, strcspn(at, ",")};
        const char *end = memmem(at, broker.len, "://", 3);
        at += broker.len;
        if (!end || slice_equal_text_ignore_case((struct slice){broker.ptr, (size_t)(end - broker.ptr)},
                                                 config->security_protocol))
            continue;
        char rest[160];
        snprintf(rest, sizeof rest,
                 "names another protocol than KAFKA_CONSUMER_SECURITY_PROTOCOL (%s); set that, and write "
                 "host:port",
                 config->security_protocol);
        loading_problem(loading, BROKERS, broker, rest);
    }
}

static void settle_kafka(struct loading *loading)
{
    struct config *config = loading->config;
    if (config->streamer == STREAMER_KAFKA && !*config->group_id)
        loading_missing(loading, "KAFKA_CONSUMER_GROUP_ID", "write the consumer group that Port gave you");
    if (config->streamer == STREAMER_KAFKA && config->local_port && !*config->bootstrap_servers)
        loading_missing(loading, BROKERS,
                        "write host:port of the local Port's Kafka (USING_LOCAL_PORT_INSTANCE is true)");
    /* Today's agent does not start either: somebody who names brokers does not expect others. */
    bool known = !setting_problems_name(loading->problems, "USING_LOCAL_PORT_INSTANCE");
    if (!config->local_port && known && *config->bootstrap_servers) {
        static const char unused[] = "works only with USING_LOCAL_PORT_INSTANCE=true; set that, or leave "
                                     "this one out (the brokers then come from Port)";
        if (config->streamer == STREAMER_KAFKA)
            loading_say(loading, BROKERS, unused);
        else
            buffer_appendf(&config->warnings, "%s: %s\n", BROKERS, unused);
    }
    bool from_port = !config->local_port;
    if (!*config->security_protocol)
        replace(loading, &config->security_protocol, from_port ? "sasl_ssl" : "plaintext");
    if (config->local_port)
        check_protocols(loading);
    /* Port's brokers speak SCRAM; librdkafka's own default for SASL, Kerberos, would help nobody. */
    if (!*config->sasl_mechanism)
        replace(loading, &config->sasl_mechanism, "SCRAM-SHA-512");
    if (strncmp(config->security_protocol, "sasl", 4) != 0)
        replace(loading, &config->sasl_mechanism, "");
}

bool config_is_topic_name(const char *name)
{
    static const char accepted[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strspn(name, accepted);
    return len > 0 && len <= TOPIC_NAME_MAX && !name[len] && strcmp(name, ".") != 0 &&
           strcmp(name, "..") != 0;
}

static void check_topic(struct loading *loading, const char *setting, const char *topic)
{
    if (!config_is_topic_name(topic))
        loading_problem(loading, setting, slice_of(topic),
                        "is not accepted; write the name of a topic: " CONFIG_TOPIC_NAME_RULE);
}

static void derive_topic(struct loading *loading, char **topic, const char *suffix)
{
    struct buffer name = {0};
    if (**topic)
        return;
    buffer_appendf(&name, "%s%s", loading->config->org_id, suffix);
    free(*topic);
    *topic = buffer_take(&name, NULL);
    loading->problems->failed |= !*topic;
}

static void settle_topics(struct loading *loading)
{
    const struct config *config = loading->config;
    bool runs_given = *config->runs_topic, changes_given = *config->change_log_topic;
    derive_topic(loading, &loading->config->runs_topic, ".runs");
    derive_topic(loading, &loading->config->change_log_topic, ".change.log");
    if (loading->problems->failed || config->streamer != STREAMER_KAFKA)
        return;
    if (runs_given)
        check_topic(loading, "KAFKA_RUNS_TOPIC", config->runs_topic);
    if (changes_given)
        check_topic(loading, "KAFKA_CHANGE_LOG_TOPIC", config->change_log_topic);
    if (*config->dead_letter_topic)
        check_topic(loading, "DEAD_LETTER_TOPIC", config->dead_letter_topic);
    if ((!runs_given && !config_is_topic_name(config->runs_topic)) ||
        (!changes_given && !config_is_topic_name(config->change_log_topic)))
        loading_problem(
            loading, "PORT_ORG_ID", slice_of(config->org_id),
            "is not accepted; write the organisation's id as Port shows it (the names of its topics "
            "begin with it: " CONFIG_TOPIC_NAME_RULE "), or set KAFKA_RUNS_TOPIC and KAFKA_CHANGE_LOG_TOPIC");
}

/** A directory that is missing is made; one that cannot be written may be, later. A slash at its end would
 * hide that it is a link. */
static void settle_dead_letter_directory(struct loading *loading)
{
    char *path = loading->config->dead_letter_dir;
    struct stat status;
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    bool there = *path && lstat(path, &status) == 0;
    if (*path && (there ? !S_ISDIR(status.st_mode) && !S_ISLNK(status.st_mode) : errno == ENOTDIR))
        loading_problem(loading, "DEAD_LETTER_DIR", slice_of(path),
                        "is not a directory; write the path of one (its last part is made if it is missing)");
    else if (there && S_ISLNK(status.st_mode))
        loading_problem(loading, "DEAD_LETTER_DIR", slice_of(path),
                        "is a symbolic link, which is not followed; write the path that it leads to");
    else if (there && !loading->input->needs && (status.st_mode & (S_IRWXG | S_IRWXO)))
        buffer_appendf(
            &loading->config->warnings,
            "DEAD_LETTER_DIR: others than its owner may use '%.200s' (mode %04o), and secrets may be "
            "in letters; chmod 700 it\n",
            path, (unsigned)status.st_mode & 07777);
}

static void settle_dead_letters(struct loading *loading)
{
    const struct config *config = loading->config;
    const char *topic = config->dead_letter_topic;
    if (*topic && *config->dead_letter_dir)
        loading_say(loading, "DEAD_LETTER_TOPIC",
                    "both DEAD_LETTER_TOPIC and DEAD_LETTER_DIR are set; set one of them");
    /* What a polled run's letter says is believed, since Port itself handed the run over; who may write to
     * the topic must not be. */
    if (*topic && config->streamer == STREAMER_POLLING)
        loading_say(loading, "DEAD_LETTER_TOPIC",
                    "needs the Kafka streamer; with STREAMER_NAME=POLLING write DEAD_LETTER_DIR");
    if (*topic && (strcmp(topic, config->runs_topic) == 0 || strcmp(topic, config->change_log_topic) == 0))
        loading_problem(loading, "DEAD_LETTER_TOPIC", slice_of(topic),
                        "is a topic the agent consumes; write another one");
    settle_dead_letter_directory(loading);
}

static void settle_proxies(struct loading *loading)
{
    struct config *config = loading->config;
    config->http_proxy_setting = *config->http_proxy ? "HTTP_PROXY" : "ALL_PROXY";
    config->https_proxy_setting = *config->https_proxy ? "HTTPS_PROXY" : "ALL_PROXY";
    if (!*config->http_proxy)
        replace(loading, &config->http_proxy, config->all_proxy);
    if (!*config->https_proxy)
        replace(loading, &config->https_proxy, config->all_proxy);
}

static void settle_http_version(struct loading *loading)
{
    struct config *config = loading->config;
    if (config->http_version != WEBHOOK_HTTP_2 || http_client_can_http2())
        return;
    config->http_version = WEBHOOK_HTTP_1_1;
    buffer_append_text(&config->warnings, "WEBHOOK_HTTP_VERSION: 2 needs libcurl 8.13 or later, which is not "
                                          "here: webhooks use HTTP/1.1\n");
}

static void settle_admin(struct loading *loading)
{
    const char *address = loading->config->admin_listen, *name = loading->config->status_socket;
    if (*address && !admin_address_is_valid(address))
        loading_problem(
            loading, "ADMIN_LISTEN", slice_of(address),
            "is not accepted; write an IP address and a port, such as [::]:9464 (every address) or "
            "127.0.0.1:9464");
    if (*name && ((*name != '/' && *name != '@') || strlen(name) >= ADMIN_SOCKET_NAME_SIZE))
        loading_problem(loading, "STATUS_SOCKET", slice_of(name),
                        "is not accepted; write an absolute path, or @ and an abstract name, of at most 107 "
                        "bytes");
}

static void settle_log(struct loading *loading)
{
    struct config *config = loading->config;
    const char *no_color = lookup(loading, "NO_COLOR"), *term = lookup(loading, "TERM");
    config->log_colour = loading->input->stdout_is_terminal && config->log_format == LOG_FORMAT_TEXT &&
                         !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

/* Loading */

static void required_is_missing(struct loading *loading, const struct setting *setting)
{
    struct buffer rest = {0};
    buffer_appendf(&rest, "it is required (%s)", setting->help);
    loading_missing(loading, setting->name, buffer_text(&rest));
    loading->problems->failed |= rest.failed;
    buffer_clear(&rest);
}

static void load_settings(struct loading *loading)
{
    loading->config->log_format = loading->input->stdout_is_terminal ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        char *value = text_of(loading, setting);
        if (value)
            loading->config->origins[i] = (unsigned char)origin_of(loading, setting);
        if (setting_is_text(setting))
            loading_set_empty(loading, setting);
        if (value)
            loading_set(loading, setting, value);
        else if (setting->fallback)
            loading_set(loading, setting, setting->fallback);
        else if (setting->required)
            required_is_missing(loading, setting);
        if (value)
            explicit_bzero(value, strlen(value));
        free(value);
    }
    if (loading->problems->failed)
        return;
    settle_kafka(loading);
    settle_proxies(loading);
    settle_http_version(loading);
    settle_topics(loading);
    if (loading->problems->failed)
        return;
    if (strcmp(loading->config->runs_topic, loading->config->change_log_topic) == 0)
        loading_say(loading, "KAFKA_CHANGE_LOG_TOPIC",
                    "is the same as KAFKA_RUNS_TOPIC; write another topic");
    settle_dead_letters(loading);
    loading_settle_certificates(loading);
    settle_admin(loading);
    loading_settle_tracing(loading);
    settle_log(loading);
}

/** Names that nobody reads, but that are like those of settings: a slip of the hand would otherwise be
 * silent. */
static void warn_of_near_names(struct loading *loading)
{
    struct buffer *warnings = &loading->config->warnings;
    for (char **entry = loading->input->environment; entry && *entry; entry++)
        near_name_warn((struct slice){*entry, strcspn(*entry, "=")}, warnings);
    for (size_t i = 0; i < loading->dotenv.count; i++)
        if (lookup(loading, loading->dotenv.entries[i].name) ==
            dotenv_get(&loading->dotenv, loading->dotenv.entries[i].name))
            near_name_warn(slice_of(loading->dotenv.entries[i].name), warnings);
    loading->problems->failed |= warnings->failed;
}

static void dotenv_problem(struct loading *loading, const char *path, const char *why)
{
    struct buffer sentence = {0};
    buffer_appendf(&sentence, ".env: '%s' cannot be read: %s", path, why);
    setting_problems_add(loading->problems, NULL, false, &sentence);
}

static void load_dotenv(struct loading *loading)
{
    struct buffer text = {0};
    const char *path = loading->input->dotenv_path;
    errno = 0;
    if (path && read_file(loading, path, &text))
        loading->problems->failed |= dotenv_parse(buffer_slice(&text), loading->input->environment,
                                                  &loading->dotenv, &loading->config->warnings) != 0;
    else if (path && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
        dotenv_problem(loading, path, value_file_why(errno));
    buffer_wipe(&text);
}

/** The settings of .env that the environment does not have, for mappings. */
static void keep_dotenv(struct loading *loading)
{
    const struct dotenv *dotenv = &loading->dotenv;
    char **kept = calloc(dotenv->count + 1, sizeof *kept);
    size_t count = 0;
    loading->config->dotenv_environment = kept;
    loading->problems->failed |= !kept;
    for (size_t i = 0; kept && i < dotenv->count; i++) {
        struct buffer line = {0};
        const char *name = dotenv->entries[i].name, *value = dotenv_get(dotenv, name);
        if (!value || lookup(loading, name) != value)
            continue;
        buffer_appendf(&line, "%s=%s", name, value);
        kept[count] = buffer_take(&line, NULL);
        loading->problems->failed |= !kept[count];
        count += kept[count] != NULL;
    }
}

/** Whoever has one signed event can try keys at home. */
static void warn_of_short_secret(const struct loading *loading)
{
    size_t len = loading->config->client_secret.value.len;
    if (len > 0 && len < SECRET_BYTES)
        buffer_appendf(&loading->config->warnings,
                       "PORT_CLIENT_SECRET: has %zu bytes, and fewer than %d can be guessed; is it whole?\n",
                       len, SECRET_BYTES);
}

static void warn_of_open_dotenv(const struct loading *loading)
{
    struct stat status;
    const char *path = loading->input->dotenv_path;
    if (path && loading->dotenv.count > 0 && stat(path, &status) == 0 &&
        (status.st_mode & (S_IRGRP | S_IROTH)))
        buffer_appendf(
            &loading->config->warnings,
            ".env: others than its owner may read it (mode %03o), and secrets may be in it; chmod 600 .env\n",
            (unsigned)status.st_mode & 0777);
}

int config_load(struct config *config, const struct config_input *input, struct setting_problems *problems)
{
    struct loading loading = {.config = config, .input = input, .problems = problems};
    *config = (struct config){0};
    load_dotenv(&loading);
    load_settings(&loading);
    warn_of_near_names(&loading);
    if (!input->needs) { /* who tries a mapping on a laptop is not told of it */
        warn_of_short_secret(&loading);
        warn_of_open_dotenv(&loading);
    }
    keep_dotenv(&loading);
    dotenv_clear(&loading.dotenv);
    if (problems->failed)
        return PA_ERR_MEMORY;
    if (input->needs)
        setting_problems_keep(problems, input->needs, input->needs_count);
    return problems->count > 0 ? PA_ERR_INVALID : 0;
}

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
}

static void *member_of(struct config *config, const struct setting *setting)
{
    return (char *)config + setting->offset;
}

/** The setting's text that the configuration owns; NULL: none. */
static char *owned_text(struct config *config, const struct setting *setting)
{
    if (setting->kind == SETTING_SECRET)
        return (char *)(uintptr_t)((struct secret *)member_of(config, setting))->value.ptr;
    return setting_is_text(setting) ? *(char **)member_of(config, setting) : NULL;
}

void config_forget_secrets(struct config *config)
{
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        wipe(owned_text(config, setting));
        if (setting->kind == SETTING_SECRET)
            ((struct secret *)member_of(config, setting))->value.len = 0;
    }
    loading_drop_certificates(config);
}

void config_clear(struct config *config)
{
    for (size_t i = 0; i < config_setting_count; i++) {
        char *text = owned_text(config, &config_settings[i]);
        if (config_settings[i].kind == SETTING_SECRET)
            wipe(text);
        free(text);
    }
    for (char **entry = config->dotenv_environment; entry && *entry; entry++) {
        wipe(*entry);
        free(*entry);
    }
    free(config->dotenv_environment);
    buffer_clear(&config->warnings);
    buffer_clear(&config->files);
    loading_drop_certificates(config);
    free(config->tracing.url);
    *config = (struct config){0};
}
