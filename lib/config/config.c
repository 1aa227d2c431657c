/* Reads every setting of the table from the environment, then .env; collects every problem before it gives
 * up. */
#include "config/config.h"
#include "config/dotenv.h"
#include "config/table.h"
#include "http/proxy.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 20 };

struct loading {
    struct config *config;
    const struct config_input *input;
    struct dotenv dotenv;
    struct buffer *problems;
};

/** A copy; without memory for it the whole load fails. */
static char *copy(struct loading *loading, const char *text)
{
    char *copied = strdup(text);
    loading->problems->failed |= !copied;
    return copied;
}

/* Where values come from */

static const char *lookup(const struct loading *loading, const char *name)
{
    size_t len = strlen(name);
    for (char **entry = loading->input->environment; entry && *entry; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    return dotenv_get(&loading->dotenv, name);
}

/** The value of NAME, or of name where that counts; NULL when it is not set or empty. */
static const char *lookup_setting(const struct loading *loading, const struct setting *setting)
{
    char lower[64];
    const char *value = NULL;
    if (setting->either_case) {
        size_t len = strlen(setting->name);
        for (size_t i = 0; i <= len && i < sizeof lower; i++)
            lower[i] = (char)tolower((unsigned char)setting->name[i]);
        value = lookup(loading, lower);
    }
    if (!value || !*value)
        value = lookup(loading, setting->name);
    return value && *value ? value : NULL;
}

/** The file's bytes; false with errno set (EFBIG: more than 1 MiB). */
static bool read_file(const char *path, struct buffer *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char chunk[4096];
    size_t got;
    while (out->len <= FILE_MAX && (got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(out, chunk, got);
    bool ok = !ferror(file);
    fclose(file);
    if (ok && (out->len > FILE_MAX || out->failed)) {
        errno = out->failed ? ENOMEM : EFBIG;
        ok = false;
    }
    explicit_bzero(chunk, sizeof chunk);
    return ok;
}

static void strip_newline(struct buffer *value)
{
    if (value->len > 0 && value->ptr[value->len - 1] == '\n')
        value->len--;
    if (value->len > 0 && value->ptr[value->len - 1] == '\r')
        value->len--;
}

/** The setting's text, from NAME or NAME_FILE; NULL when it is not set (an empty value counts as not set).
 * The caller frees. */
static char *text_of(struct loading *loading, const struct setting *setting)
{
    char file_name[128];
    snprintf(file_name, sizeof file_name, "%s_FILE", setting->name);
    const char *direct = lookup_setting(loading, setting), *path = lookup(loading, file_name);
    if (!path || !*path)
        return direct ? copy(loading, direct) : NULL;
    if (direct) {
        buffer_appendf(loading->problems, "%s: both %s and %s are set; set one of them\n", setting->name,
                       setting->name, file_name);
        return copy(loading, direct);
    }
    struct buffer value = {0};
    errno = 0;
    if (!read_file(path, &value)) {
        buffer_appendf(loading->problems, "%s: '%s' cannot be read: %s\n", file_name, path, strerror(errno));
        buffer_clear(&value);
        return NULL;
    }
    strip_newline(&value);
    char *text = buffer_take(&value, NULL);
    if (text && !*text) {
        free(text);
        text = NULL;
    }
    return text;
}

/* Kinds */

static void *member(const struct loading *loading, const struct setting *setting)
{
    return (char *)loading->config + setting->offset;
}

static void problem(struct loading *loading, const struct setting *setting, const char *value,
                    const char *accepted)
{
    buffer_appendf(loading->problems, "%s: '%.200s' is not accepted; write %s\n", setting->name, value,
                   accepted);
}

static void set_boolean(struct loading *loading, const struct setting *setting, const char *value)
{
    static const char *const yes[] = {"true", "1", "yes", "on"}, *const no[] = {"false", "0", "no", "off"};
    bool *target = member(loading, setting);
    struct slice text = slice_trim(slice_of(value));
    for (size_t i = 0; i < 4; i++) {
        if (slice_equal_ignore_case(text, yes[i]) || slice_equal_ignore_case(text, no[i])) {
            *target = slice_equal_ignore_case(text, yes[i]);
            return;
        }
    }
    problem(loading, setting, value, "true or false (also 1/0, yes/no, on/off)");
}

static void range_problem(struct loading *loading, const struct setting *setting, const char *value,
                          const char *unit)
{
    char accepted[160];
    snprintf(accepted, sizeof accepted, "a %s from %.10g to %.12g", unit, setting->minimum, setting->maximum);
    problem(loading, setting, value, accepted);
}

static bool parse_integer(const char *value, bool suffixes, double *out)
{
    char *end;
    struct slice text = slice_trim(slice_of(value));
    if (text.len == 0 || text.len > 20 || (*text.ptr != '-' && (*text.ptr < '0' || *text.ptr > '9')))
        return false;
    errno = 0;
    long long number = strtoll(text.ptr, &end, 10);
    struct slice rest = slice_trim((struct slice){end, (size_t)(text.ptr + text.len - end)});
    double unit = 1;
    if (suffixes && slice_equal_ignore_case(rest, "KiB"))
        unit = 1024;
    else if (suffixes && slice_equal_ignore_case(rest, "MiB"))
        unit = 1024 * 1024;
    else if (suffixes && slice_equal_ignore_case(rest, "GiB"))
        unit = 1024 * 1024 * 1024;
    else if (rest.len > 0)
        return false;
    *out = (double)number * unit;
    return errno == 0 && end > text.ptr;
}

static void set_integer(struct loading *loading, const struct setting *setting, const char *value)
{
    int64_t *target = member(loading, setting);
    double number;
    bool bytes = setting->kind == SETTING_BYTES;
    if (!parse_integer(value, bytes, &number) || number < setting->minimum || number > setting->maximum)
        range_problem(loading, setting, value,
                      bytes ? "number of bytes (KiB, MiB or GiB may follow)" : "whole number");
    else
        *target = (int64_t)number;
}

/** A decimal number within the setting's range; NAN and a problem for anything else. */
static double number_of(struct loading *loading, const struct setting *setting, const char *value,
                        const char *unit)
{
    struct slice text = slice_trim(slice_of(value));
    char *end = NULL;
    bool plain = text.len > 0 && text.len < 20 && strspn(text.ptr, "0123456789.") >= text.len;
    double number = plain ? strtod(text.ptr, &end) : NAN;
    if (plain && end == text.ptr + text.len && number >= setting->minimum && number <= setting->maximum)
        return number;
    range_problem(loading, setting, value, unit);
    return NAN;
}

static void set_seconds(struct loading *loading, const struct setting *setting, const char *value)
{
    int64_t *target = member(loading, setting);
    double seconds = number_of(loading, setting, value, "number of seconds");
    if (!isnan(seconds))
        *target = (int64_t)(seconds * 1000 + 0.5);
}

static void set_number(struct loading *loading, const struct setting *setting, const char *value)
{
    double *target = member(loading, setting);
    double number = number_of(loading, setting, value, "number");
    if (!isnan(number))
        *target = number;
}

static void choice_problem(struct loading *loading, const struct setting *setting, const char *value)
{
    struct buffer words = {0};
    for (const struct setting_choice *choice = setting->choices; choice->word; choice++)
        buffer_appendf(&words, "%s%s", words.len > 0 ? ", " : "", choice->word);
    char accepted[256];
    snprintf(accepted, sizeof accepted, "one of %s", buffer_text(&words));
    problem(loading, setting, value, accepted);
    buffer_clear(&words);
}

/** What the word means; NULL (and a problem) when it is none of the choices. */
static const char *choice_of(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice text = slice_trim(slice_of(value));
    for (const struct setting_choice *choice = setting->choices; choice->word; choice++)
        if (slice_equal_ignore_case(text, choice->word))
            return choice->meaning;
    choice_problem(loading, setting, value);
    return NULL;
}

static void set_text(struct loading *loading, const struct setting *setting, const char *value)
{
    char **target = member(loading, setting);
    free(*target);
    *target = copy(loading, value);
}

static void set_secret(struct loading *loading, const struct setting *setting, const char *value)
{
    struct secret *secret = member(loading, setting);
    secret->value = (struct slice){copy(loading, value), strlen(value)};
    if (!secret->value.ptr)
        secret->value.len = 0;
}

static void set_choice(struct loading *loading, const struct setting *setting, const char *value)
{
    const char *meaning = choice_of(loading, setting, value);
    struct config *config = loading->config;
    if (!meaning)
        return;
    if (member(loading, setting) == (void *)&config->streamer) {
        config->streamer = strcmp(meaning, "POLLING") == 0 ? STREAMER_POLLING : STREAMER_KAFKA;
    } else if (member(loading, setting) == (void *)&config->log_format) {
        config->log_format = strcmp(meaning, "text") == 0 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    } else {
        set_text(loading, setting, meaning);
    }
}

static void set_url(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice url = slice_trim(slice_of(value));
    while (url.len > 0 && url.ptr[url.len - 1] == '/')
        url.len--;
    bool scheme = strncasecmp(url.ptr, "https://", 8) == 0 || strncasecmp(url.ptr, "http://", 7) == 0;
    if (!scheme) {
        buffer_appendf(loading->problems, "%s: '%.200s' has no scheme; write https://%.200s\n", setting->name,
                       value, value);
        return;
    }
    if (url.len > 1024 || memchr(url.ptr, ' ', url.len) || memchr(url.ptr, '?', url.len) ||
        memchr(url.ptr, '#', url.len)) {
        problem(loading, setting, value, "a URL without blanks, query and fragment, at most 1024 characters");
        return;
    }
    char **target = member(loading, setting);
    free(*target);
    *target = slice_to_text(url);
}

/** Whether libcurl can take it is asked of what the client itself asks; which schemes it is to know, here. */
static bool is_proxy(struct slice text, const char *spelled, struct error *why)
{
    static const char *const schemes[] = {"http://",    "https://",  "socks4://",
                                          "socks4a://", "socks5://", "socks5h://"};
    struct proxy proxy;
    bool known = !strstr(spelled, "://");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        known |= strncasecmp(spelled, schemes[i], strlen(schemes[i])) == 0;
    bool plain = text.len > 0 && text.len <= 1024;
    for (size_t i = 0; i < text.len && plain; i++)
        plain = text.ptr[i] > ' ' && text.ptr[i] < 0x7f;
    if (!known || !plain)
        return error_set(why, PA_ERR_INVALID, known ? "not an address" : "unknown scheme") == 0;
    bool parsed = proxy_parse(spelled, &proxy, why) == 0;
    proxy_clear(&proxy);
    return parsed;
}

static void set_proxy(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice text = slice_trim(slice_of(value));
    struct error why = {0};
    char **target = member(loading, setting);
    free(*target);
    *target = slice_to_text(text);
    if (!*target || (!is_proxy(text, *target, &why) && why.kind == PA_ERR_MEMORY)) {
        loading->problems->failed = true;
    } else if (why.kind) {
        buffer_appendf(loading->problems, "%s: '", setting->name);
        proxy_append_shown(loading->problems, text);
        buffer_appendf(loading->problems,
                       "' is not accepted (%s); write http://host:port, with user:password@ before the host "
                       "where one is wanted (also https, socks4, socks4a, socks5, socks5h)\n",
                       why.message);
    }
}

static void set_level(struct loading *loading, const struct setting *setting, const char *value)
{
    int level = log_level_parse(slice_trim(slice_of(value)));
    if (level < 0)
        problem(loading, setting, value, "one of DEBUG, INFO, WARNING, ERROR, CRITICAL");
    else
        loading->config->log_level = (enum log_level)level;
}

static void set_retry_on(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice wrong = {NULL, 0};
    if (retry_on_parse(slice_of(value), member(loading, setting), &wrong))
        return;
    buffer_appendf(loading->problems,
                   "%s: '%.*s' is not accepted; write status codes from 300 to 599, 4xx, 5xx, "
                   "timeout or reset with commas between them, or none alone\n",
                   setting->name, (int)wrong.len, wrong.ptr);
}

static void set_value(struct loading *loading, const struct setting *setting, const char *value)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        set_text(loading, setting, value);
        break;
    case SETTING_SECRET:
        set_secret(loading, setting, value);
        break;
    case SETTING_BOOLEAN:
        set_boolean(loading, setting, value);
        break;
    case SETTING_INTEGER:
    case SETTING_BYTES:
        set_integer(loading, setting, value);
        break;
    case SETTING_SECONDS:
        set_seconds(loading, setting, value);
        break;
    case SETTING_NUMBER:
        set_number(loading, setting, value);
        break;
    case SETTING_PROXY:
        set_proxy(loading, setting, value);
        break;
    case SETTING_URL:
        set_url(loading, setting, value);
        break;
    case SETTING_RETRY_ON:
        set_retry_on(loading, setting, value);
        break;
    case SETTING_CHOICE:
        set_choice(loading, setting, value);
        break;
    case SETTING_LEVEL:
        set_level(loading, setting, value);
        break;
    }
}

/* What settings mean together */

static void replace(struct loading *loading, char **target, const char *text)
{
    free(*target);
    *target = copy(loading, text);
}

static void settle_kafka(struct loading *loading)
{
    struct config *config = loading->config;
    if (config->streamer == STREAMER_KAFKA && !*config->group_id)
        buffer_append_text(
            loading->problems,
            "KAFKA_CONSUMER_GROUP_ID: is not set; write the consumer group that Port gave you\n");
    if (config->streamer == STREAMER_KAFKA && config->local_port && !*config->bootstrap_servers)
        buffer_append_text(
            loading->problems,
            "KAFKA_CONSUMER_BOOTSTRAP_SERVERS: is not set; write host:port of the local Port's "
            "Kafka (USING_LOCAL_PORT_INSTANCE is true)\n");
    bool from_port = !config->local_port;
    if (!*config->security_protocol)
        replace(loading, &config->security_protocol, from_port ? "sasl_ssl" : "plaintext");
    /* Port's brokers speak SCRAM; librdkafka's own default for SASL, Kerberos, would help nobody. */
    if (!*config->sasl_mechanism)
        replace(loading, &config->sasl_mechanism, "SCRAM-SHA-512");
    if (strncmp(config->security_protocol, "sasl", 4) != 0)
        replace(loading, &config->sasl_mechanism, "");
}

static void settle_topic(struct loading *loading, char **topic, const char *suffix)
{
    struct buffer name = {0};
    if (**topic)
        return;
    buffer_appendf(&name, "%s%s", loading->config->org_id, suffix);
    free(*topic);
    *topic = buffer_take(&name, NULL);
    loading->problems->failed |= !*topic;
}

/** A directory that is missing is made; one that cannot be written may be, later. */
static void settle_dead_letter_directory(struct loading *loading)
{
    const char *path = loading->config->dead_letter_dir;
    struct stat status;
    bool other = stat(path, &status) == 0 ? !S_ISDIR(status.st_mode) : errno == ENOTDIR;
    if (*path && other)
        buffer_appendf(
            loading->problems,
            "DEAD_LETTER_DIR: '%.200s' is not a directory; write the path of one (its last part is "
            "made if it is missing)\n",
            path);
}

static void settle_dead_letters(struct loading *loading)
{
    const struct config *config = loading->config;
    const char *topic = config->dead_letter_topic;
    if (*topic && *config->dead_letter_dir)
        buffer_append_text(loading->problems,
                           "DEAD_LETTER_TOPIC: both DEAD_LETTER_TOPIC and DEAD_LETTER_DIR are "
                           "set; set one of them\n");
    /* What a polled run's letter says is believed, since Port itself handed the run over; who may write to
     * the topic must not be. */
    if (*topic && config->streamer == STREAMER_POLLING)
        buffer_append_text(loading->problems, "DEAD_LETTER_TOPIC: needs the Kafka streamer; with "
                                              "STREAMER_NAME=POLLING write DEAD_LETTER_DIR\n");
    if (*topic && (strcmp(topic, config->runs_topic) == 0 || strcmp(topic, config->change_log_topic) == 0))
        buffer_appendf(loading->problems,
                       "DEAD_LETTER_TOPIC: '%.200s' is a topic the agent consumes; write "
                       "another one\n",
                       topic);
    settle_dead_letter_directory(loading);
}

static void settle_proxies(struct loading *loading)
{
    struct config *config = loading->config;
    if (!*config->http_proxy)
        replace(loading, &config->http_proxy, config->all_proxy);
    if (!*config->https_proxy)
        replace(loading, &config->https_proxy, config->all_proxy);
}

static void settle_log(struct loading *loading, bool format_given)
{
    struct config *config = loading->config;
    bool terminal = loading->input->stdout_is_terminal;
    if (!format_given)
        config->log_format = terminal ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    const char *no_color = lookup(loading, "NO_COLOR");
    config->log_colour = terminal && config->log_format == LOG_FORMAT_TEXT && !(no_color && *no_color);
}

/* Loading */

static bool is_owned_text(const struct setting *setting)
{
    bool choice = setting->kind == SETTING_CHOICE && setting->offset != offsetof(struct config, streamer) &&
                  setting->offset != offsetof(struct config, log_format);
    return choice || setting->kind == SETTING_TEXT || setting->kind == SETTING_URL ||
           setting->kind == SETTING_PROXY;
}

static void load_settings(struct loading *loading)
{
    bool format_given = false;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        char *value = text_of(loading, setting);
        if (is_owned_text(setting))
            set_text(loading, setting, "");
        format_given |= value && setting->offset == offsetof(struct config, log_format);
        if (value)
            set_value(loading, setting, value);
        else if (setting->fallback)
            set_value(loading, setting, setting->fallback);
        else if (setting->required)
            buffer_appendf(loading->problems, "%s: is not set; it is required (%s)\n", setting->name,
                           setting->help);
        if (value)
            explicit_bzero(value, strlen(value));
        free(value);
    }
    if (loading->problems->failed)
        return;
    settle_kafka(loading);
    settle_proxies(loading);
    settle_topic(loading, &loading->config->runs_topic, ".runs");
    settle_topic(loading, &loading->config->change_log_topic, ".change.log");
    if (loading->problems->failed)
        return;
    if (strcmp(loading->config->runs_topic, loading->config->change_log_topic) == 0)
        buffer_append_text(loading->problems,
                           "KAFKA_CHANGE_LOG_TOPIC: is the same as KAFKA_RUNS_TOPIC; write another topic\n");
    settle_dead_letters(loading);
    settle_log(loading, format_given);
}

static void load_dotenv(struct loading *loading)
{
    struct buffer text = {0};
    const char *path = loading->input->dotenv_path;
    errno = 0;
    if (path && read_file(path, &text))
        loading->problems->failed |= dotenv_parse(buffer_slice(&text), loading->input->environment,
                                                  &loading->dotenv, &loading->config->warnings) != 0;
    else if (path && errno != ENOENT && errno != ENOTDIR && errno != EISDIR)
        buffer_appendf(loading->problems, ".env: '%s' cannot be read: %s\n", path, strerror(errno));
    if (text.ptr)
        explicit_bzero(text.ptr, text.cap);
    buffer_clear(&text);
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

int config_load(struct config *config, const struct config_input *input, struct buffer *problems)
{
    struct loading loading = {.config = config, .input = input, .problems = problems};
    *config = (struct config){0};
    load_dotenv(&loading);
    load_settings(&loading);
    keep_dotenv(&loading);
    dotenv_clear(&loading.dotenv);
    if (problems->failed)
        return PA_ERR_MEMORY;
    return problems->len > 0 ? PA_ERR_INVALID : 0;
}

void config_clear(struct config *config)
{
    for (size_t i = 0; i < config_setting_count; i++)
        if (is_owned_text(&config_settings[i]))
            free(*(char **)(void *)((char *)config + config_settings[i].offset));
    for (char **entry = config->dotenv_environment; entry && *entry; entry++) {
        explicit_bzero(*entry, strlen(*entry));
        free(*entry);
    }
    free(config->dotenv_environment);
    buffer_clear(&config->warnings);
    if (config->client_secret.value.ptr) {
        char *secret = (char *)(uintptr_t)config->client_secret.value.ptr;
        explicit_bzero(secret, config->client_secret.value.len);
        free(secret);
    }
    *config = (struct config){0};
}
