/* One value of each kind: what it means, or what is wrong with it. */
#include "config/loading.h"
#include "http/egress.h"
#include "http/proxy.h"
#include "http/url.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { SHOWN_MAX = 200, NUMBER_SIZE = 20 };

static const char DECIMAL[] = "-+.0123456789eE";

char *loading_copy(struct loading *loading, const char *text)
{
    char *copied = strdup(text);
    loading->problems->failed |= !copied;
    return copied;
}

static void *member(const struct loading *loading, const struct setting *setting)
{
    return (char *)loading->config + setting->offset;
}

static void problem_of(struct loading *loading, const char *setting, const char *suffix, struct slice value,
                       const char *rest)
{
    struct buffer sentence = {0};
    if (value.len > SHOWN_MAX)
        value.len = SHOWN_MAX;
    buffer_appendf(&sentence, "%s%s: '", setting, suffix);
    buffer_append_one_line(&sentence, value);
    buffer_appendf(&sentence, "' %s", rest);
    setting_problems_add(loading->problems, setting, false, &sentence);
}

void loading_problem(struct loading *loading, const char *setting, struct slice value, const char *rest)
{
    problem_of(loading, setting, "", value, rest);
}

void loading_file_problem(struct loading *loading, const char *setting, const char *path, const char *rest)
{
    problem_of(loading, setting, "_FILE", slice_of(path), rest);
}

void loading_say(struct loading *loading, const char *setting, const char *rest)
{
    struct buffer sentence = {0};
    buffer_appendf(&sentence, "%s: %s", setting, rest);
    setting_problems_add(loading->problems, setting, false, &sentence);
}

void loading_missing(struct loading *loading, const char *setting, const char *rest)
{
    struct buffer sentence = {0};
    if (setting_problems_name(loading->problems, setting))
        return;
    buffer_appendf(&sentence, "%s: is not set; %s", setting, rest);
    setting_problems_add(loading->problems, setting, true, &sentence);
}

static void problem(struct loading *loading, const struct setting *setting, const char *value,
                    const char *accepted)
{
    struct buffer rest = {0};
    buffer_appendf(&rest, "is not accepted; write %s", accepted);
    loading_problem(loading, setting->name, slice_of(value), buffer_text(&rest));
    loading->problems->failed |= rest.failed;
    buffer_clear(&rest);
}

static void set_boolean(struct loading *loading, const struct setting *setting, const char *value)
{
    static const char *const yes[] = {"true", "1", "yes", "on", "t", "y"}, *const no[] = {"false", "0", "no",
                                                                                          "off",   "f", "n"};
    bool *target = member(loading, setting);
    struct slice text = slice_trim(slice_of(value));
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (slice_equal_text_ignore_case(text, yes[i]) || slice_equal_text_ignore_case(text, no[i])) {
            *target = slice_equal_text_ignore_case(text, yes[i]);
            return;
        }
    }
    problem(loading, setting, value, "true or false (also 1/0, yes/no, on/off, t/f, y/n)");
}

static void range_problem(struct loading *loading, const struct setting *setting, const char *value,
                          const char *unit)
{
    char accepted[160];
    snprintf(accepted, sizeof accepted, "a %s from %.10g to %.12g", unit, setting->minimum, setting->maximum);
    problem(loading, setting, value, accepted);
}

/** Today's agent takes numbers as Python writes them: with a plus sign, and underscores between two digits.
 * The number without these; false: it is no such number. */
static bool plain_number(struct slice text, char plain[NUMBER_SIZE])
{
    size_t len = 0;
    if (text.len == 0 || text.len >= NUMBER_SIZE)
        return false;
    for (size_t i = *text.ptr == '+' && text.len > 1 && text.ptr[1] != '-' && text.ptr[1] != '+';
         i < text.len; i++) {
        bool between = i > 0 && i + 1 < text.len && isdigit((unsigned char)text.ptr[i - 1]) &&
                       isdigit((unsigned char)text.ptr[i + 1]);
        if (text.ptr[i] == '_' && !between)
            return false;
        if (text.ptr[i] != '_')
            plain[len++] = text.ptr[i];
    }
    plain[len] = '\0';
    return true;
}

/** The number as it counts: itself within the setting's bounds; the nearest one within, with a warning, where
 * the table says so. NAN and a problem for any other. */
static double bounded(struct loading *loading, const struct setting *setting, const char *value,
                      double number, const char *unit)
{
    bool below = number<setting->minimum, above = number> setting->maximum;
    if (!below && !above)
        return number;
    if (number < 0 || isinf(number) || !(setting->nearest & (below ? NEAREST_BELOW : NEAREST_ABOVE))) {
        range_problem(loading, setting, value, unit);
        return NAN;
    }
    struct buffer *warnings = &loading->config->warnings;
    double nearest = below ? setting->minimum : setting->maximum;
    buffer_appendf(warnings, "%s: '", setting->name);
    buffer_append_one_line(warnings, slice_trim(slice_of(value)));
    buffer_appendf(warnings, "' is not within %.10g to %.12g; %.12g is used\n", setting->minimum,
                   setting->maximum, nearest);
    return nearest;
}

static bool parse_bytes(const char *value, double *out)
{
    char *end;
    struct slice text = slice_trim(slice_of(value));
    if (text.len == 0 || text.len > 20 || (*text.ptr != '-' && (*text.ptr < '0' || *text.ptr > '9')))
        return false;
    errno = 0;
    long long number = strtoll(text.ptr, &end, 10);
    struct slice rest = slice_trim((struct slice){end, (size_t)(text.ptr + text.len - end)});
    double unit = 1;
    if (slice_equal_text_ignore_case(rest, "KiB"))
        unit = 1024;
    else if (slice_equal_text_ignore_case(rest, "MiB"))
        unit = 1024 * 1024;
    else if (slice_equal_text_ignore_case(rest, "GiB"))
        unit = 1024 * 1024 * 1024;
    else if (rest.len > 0)
        return false;
    *out = (double)number * unit;
    return errno == 0 && end > text.ptr;
}

static void set_bytes(struct loading *loading, const struct setting *setting, const char *value)
{
    static const char unit[] = "number of bytes (KiB, MiB or GiB may follow)";
    int64_t *target = member(loading, setting);
    double number;
    if (!parse_bytes(value, &number))
        range_problem(loading, setting, value, unit);
    else if (!isnan(number = bounded(loading, setting, value, number, unit)))
        *target = (int64_t)number;
}

/** A number within the setting's range, of these characters; NAN and a problem for anything else. */
static double number_of(struct loading *loading, const struct setting *setting, const char *value,
                        const char *unit, const char *characters)
{
    char plain[NUMBER_SIZE], *end = NULL;
    bool known = plain_number(slice_trim(slice_of(value)), plain) && !plain[strspn(plain, characters)];
    double number = known ? strtod(plain, &end) : NAN;
    if (known && end > plain && !*end)
        return bounded(loading, setting, value, number, unit);
    range_problem(loading, setting, value, unit);
    return NAN;
}

static void set_integer(struct loading *loading, const struct setting *setting, const char *value)
{
    int64_t *target = member(loading, setting);
    double number = number_of(loading, setting, value, "whole number", "-0123456789");
    if (!isnan(number))
        *target = (int64_t)number;
}

static void set_seconds(struct loading *loading, const struct setting *setting, const char *value)
{
    int64_t *target = member(loading, setting);
    double seconds = number_of(loading, setting, value, "number of seconds", DECIMAL);
    if (!isnan(seconds))
        *target = (int64_t)(seconds * 1000 + 0.5);
}

static void set_number(struct loading *loading, const struct setting *setting, const char *value)
{
    double *target = member(loading, setting);
    double number = number_of(loading, setting, value, "number", DECIMAL);
    if (!isnan(number))
        *target = number;
}

static void choice_problem(struct loading *loading, const struct setting *setting, const char *value)
{
    struct buffer words = {0};
    for (const struct setting_choice *choice = setting->choices; choice->word; choice++)
        if (!choice->unlisted)
            buffer_appendf(&words, "%s%s", words.len > 0 ? ", " : "", choice->word);
    char accepted[256];
    snprintf(accepted, sizeof accepted, "one of %s", buffer_text(&words));
    problem(loading, setting, value, accepted);
    buffer_clear(&words);
}

/** The choice of this word; NULL (and a problem) when there is none. */
static const struct setting_choice *choice_of(struct loading *loading, const struct setting *setting,
                                              const char *value)
{
    struct slice text = slice_trim(slice_of(value));
    for (const struct setting_choice *choice = setting->choices; choice->word; choice++)
        if (slice_equal_text_ignore_case(text, choice->word))
            return choice;
    choice_problem(loading, setting, value);
    return NULL;
}

/** .env's own quotes are gone by now; Docker's --env-file takes them for a part of the value. */
static void warn_of_quotes(struct loading *loading, const struct setting *setting, const char *value)
{
    size_t len = strlen(value);
    if (len >= 2 && value[0] == value[len - 1] && (*value == '"' || *value == '\''))
        buffer_appendf(&loading->config->warnings,
                       "%s: its value begins and ends with a quote, which counts as a part of it\n",
                       setting->name);
}

static void set_text(struct loading *loading, const struct setting *setting, const char *value)
{
    char **target = member(loading, setting);
    free(*target);
    *target = loading_copy(loading, value);
}

static void set_secret(struct loading *loading, const struct setting *setting, const char *value)
{
    struct secret *secret = member(loading, setting);
    secret->value = (struct slice){loading_copy(loading, value), strlen(value)};
    if (!secret->value.ptr)
        secret->value.len = 0;
}

static void set_choice(struct loading *loading, const struct setting *setting, const char *value)
{
    const struct setting_choice *choice = choice_of(loading, setting, value);
    if (choice)
        set_text(loading, setting, choice->text);
}

static void set_enum(struct loading *loading, const struct setting *setting, const char *value)
{
    unsigned *target = member(loading, setting);
    const struct setting_choice *choice = choice_of(loading, setting, value);
    if (choice)
        *target = choice->value;
}

/** There may be a password in the URL. */
static void url_problem(struct loading *loading, const struct setting *setting, const char *value,
                        const char *why, const char *accepted)
{
    struct buffer shown = {0}, rest = {0};
    url_append_shown(&shown, slice_of(value));
    buffer_appendf(&rest, "%s; write %s", why, accepted ? accepted : "https://");
    if (!accepted)
        buffer_append_one_line(&rest, (struct slice){buffer_text(&shown), strnlen(shown.ptr, SHOWN_MAX)});
    loading_problem(loading, setting->name, buffer_slice(&shown), buffer_text(&rest));
    loading->problems->failed |= shown.failed || rest.failed;
    buffer_clear(&shown);
    buffer_clear(&rest);
}

/** Can anybody be called there? `err`: why not. */
static bool is_callable(struct loading *loading, struct slice url, struct error *err)
{
    struct url_parts parts = {0};
    int failed = url_parse(url, &parts, err);
    if (!failed && strcmp(strrchr(parts.destination, ':'), ":0") == 0)
        failed = error_set(err, PA_ERR_INVALID, "its port is 0");
    url_parts_clear(&parts);
    loading->problems->failed |= failed == PA_ERR_MEMORY;
    return !failed;
}

static void set_url(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice url = slice_trim(slice_of(value));
    struct error err = {0};
    bool scheme = strncasecmp(url.ptr, "https://", 8) == 0 || strncasecmp(url.ptr, "http://", 7) == 0;
    bool plain = url.len <= 1024 && !memchr(url.ptr, ' ', url.len) && !memchr(url.ptr, '?', url.len) &&
                 !memchr(url.ptr, '#', url.len);
    if (!scheme && !strstr(value, "://")) {
        url_problem(loading, setting, value, "has no scheme", NULL);
    } else if (!scheme) {
        url_problem(loading, setting, value, "is not accepted", "a URL that starts with https:// or http://");
    } else if (!plain) {
        url_problem(loading, setting, value, "is not accepted",
                    "a URL without blanks, query and fragment, at most 1024 characters");
    } else if (!is_callable(loading, url, &err)) {
        char why[sizeof err.message + 32];
        snprintf(why, sizeof why, "is not accepted (%s)", err.message);
        url_problem(loading, setting, value, why, "https://host or https://host:port");
    } else {
        char **target = member(loading, setting);
        while (url.ptr[url.len - 1] == '/')
            url.len--;
        free(*target);
        *target = slice_to_text(url);
    }
}

/** A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(struct slice host)
{
    static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    static const char zoned[] = "%:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
    bool bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = (struct slice){host.ptr + 1, host.len - 2};
    for (size_t i = 0; i < host.len; i++)
        if (!host.ptr[i] || !strchr(bracketed ? zoned : name, host.ptr[i]))
            return false;
    return host.len > 0;
}

/** Is it one of librdkafka's, which passes over a broker with any other before it? */
static bool is_protocol(struct slice text)
{
    static const char *const known[] = {"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equal_text_ignore_case(text, known[i]))
            return true;
    return false;
}

/** HOST, HOST:PORT or [ADDRESS]:PORT, with librdkafka's PROTOCOL:// before it or not. */
static bool is_broker(struct slice text)
{
    const char *scheme = memmem(text.ptr, text.len, "://", 3);
    if (scheme && !is_protocol((struct slice){text.ptr, (size_t)(scheme - text.ptr)}))
        return false;
    if (scheme)
        text = (struct slice){scheme + 3, text.len - (size_t)(scheme + 3 - text.ptr)};
    const char *colon = memrchr(text.ptr, ':', text.len), *bracket = memrchr(text.ptr, ']', text.len);
    if (!colon || (bracket && colon < bracket))
        return is_host(text);
    struct slice port = {colon + 1, text.len - (size_t)(colon + 1 - text.ptr)};
    bool plain = port.len > 0 && port.len <= 5 && strspn(port.ptr, "0123456789") >= port.len;
    long number = plain ? strtol(port.ptr, NULL, 10) : 0;
    return is_host((struct slice){text.ptr, (size_t)(colon - text.ptr)}) && number >= 1 && number <= 65535;
}

/** One broker of the list: appended to `list`, or told. */
static void add_broker(struct loading *loading, const struct setting *setting, struct slice broker,
                       struct buffer *list)
{
    if (!is_broker(broker)) {
        loading_problem(loading, setting->name, broker,
                        "is not accepted; write host:port, with commas between several");
        return;
    }
    buffer_append_text(list, list->len > 0 ? "," : "");
    buffer_append_slice(list, broker);
}

/** A final comma is nothing: lists that are put together by programs end in one. */
static void set_brokers(struct loading *loading, const struct setting *setting, const char *value)
{
    struct buffer list = {0};
    size_t problems = loading->problems->count;
    for (const char *at = value;; at++) {
        const char *end = strchrnul(at, ',');
        struct slice broker = slice_trim((struct slice){at, (size_t)(end - at)});
        bool last = !*end && broker.len == 0 && at > value;
        if (!last)
            add_broker(loading, setting, broker, &list);
        at = end;
        if (!*end)
            break;
    }
    loading->problems->failed |= list.failed;
    set_text(loading, setting, loading->problems->count > problems ? "" : buffer_text(&list));
    buffer_clear(&list);
}

static void set_proxy(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice text = slice_trim(slice_of(value));
    struct error why = {0};
    struct proxy proxy = {0};
    char **target = member(loading, setting);
    free(*target);
    *target = slice_to_text(text);
    if (!*target || (text.len == 0 ? error_set(&why, PA_ERR_INVALID, "nothing but blanks")
                                   : proxy_parse(*target, &proxy, &why)) == PA_ERR_MEMORY) {
        loading->problems->failed = true;
    } else if (why.kind) {
        struct buffer sentence = {0};
        buffer_appendf(&sentence, "%s: '", setting->name);
        proxy_append_shown(&sentence, text);
        buffer_appendf(&sentence,
                       "' is not accepted (%s); write http://host:port, with user:password@ before the host "
                       "where one is wanted (also https, socks4, socks4a, socks5, socks5h)",
                       why.message);
        setting_problems_add(loading->problems, setting->name, false, &sentence);
    }
    proxy_clear(&proxy);
}

static void set_retry_on(struct loading *loading, const struct setting *setting, const char *value)
{
    struct slice wrong = {NULL, 0};
    if (retry_on_parse(slice_of(value), member(loading, setting), &wrong))
        return;
    static const char accepted[] =
        "write status codes from 300 to 599, 4xx, 5xx, timeout or reset with commas "
        "between them, or none alone";
    struct buffer rest = {0};
    buffer_appendf(&rest, "%s; %s", wrong.len > 0 ? "is not accepted" : "has nothing beside a comma",
                   accepted);
    loading_problem(loading, setting->name, wrong.len > 0 ? wrong : slice_of(value), buffer_text(&rest));
    buffer_clear(&rest);
}

struct egress_telling {
    struct loading *loading;
    const struct setting *setting;
};

static void egress_is_told(void *ctx, enum egress_note note, struct slice entry, const char *words)
{
    const struct egress_telling *telling = ctx;
    if (note == EGRESS_ENTRY_WRONG) {
        loading_problem(telling->loading, telling->setting->name, entry, words);
        return;
    }
    struct buffer *warnings = &telling->loading->config->warnings;
    buffer_appendf(warnings, "%s: '", telling->setting->name);
    buffer_append_one_line(warnings, entry);
    buffer_appendf(warnings, "' %s\n", words);
}

static void set_egress(struct loading *loading, const struct setting *setting, const char *value)
{
    struct egress_telling telling = {loading, setting};
    egress_check(value, setting->kind == SETTING_EGRESS_ALLOW, egress_is_told, &telling);
    set_text(loading, setting, value);
}

static const struct kind {
    void (*set)(struct loading *loading, const struct setting *setting, const char *value);
    /** The member is a text that the configuration owns. */
    bool is_text;
    /** Quotes around a whole value are warned of. */
    bool has_no_quotes;
} kinds[] = {
    [SETTING_TEXT] = {set_text, true, true},
    [SETTING_SECRET] = {set_secret, false, true},
    [SETTING_BOOLEAN] = {set_boolean, false, false},
    [SETTING_INTEGER] = {set_integer, false, false},
    [SETTING_BYTES] = {set_bytes, false, false},
    [SETTING_SECONDS] = {set_seconds, false, false},
    [SETTING_NUMBER] = {set_number, false, false},
    [SETTING_PROXY] = {set_proxy, true, false},
    [SETTING_URL] = {set_url, true, false},
    [SETTING_ENDPOINT] = {set_text, true, false},
    [SETTING_BROKERS] = {set_brokers, true, false},
    [SETTING_CHOICE] = {set_choice, true, false},
    [SETTING_ENUM] = {set_enum, false, false},
    [SETTING_RETRY_ON] = {set_retry_on, false, false},
    [SETTING_EGRESS_ALLOW] = {set_egress, true, false},
    [SETTING_EGRESS_DENY] = {set_egress, true, false},
};

void loading_set(struct loading *loading, const struct setting *setting, const char *value)
{
    const struct kind *kind = &kinds[setting->kind];
    if (kind->has_no_quotes)
        warn_of_quotes(loading, setting, value);
    kind->set(loading, setting, value);
}

bool setting_is_text(const struct setting *setting)
{
    return kinds[setting->kind].is_text;
}

void loading_set_empty(struct loading *loading, const struct setting *setting)
{
    set_text(loading, setting, "");
}
