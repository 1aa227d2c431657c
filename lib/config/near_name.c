/* See near_name.h. */
#include "config/near_name.h"
#include "base/near.h"
#include "config/table.h"
#include <ctype.h>
#include <string.h>

enum { NAME_MAX_LEN = NEAR_MAX_LEN, WORDS_MAX = 12, LETTERS_FOR_EACH_SLIP = 6, SLIPS_MAX = 3 };

static const char FILE_SUFFIX[] = "_FILE";
/** No setting, and read all the same: by the built-in mapping of GitLab's events. */
static const char GITLAB_URL[] = "GITLAB_URL";

/** In capitals, with '-' and '.' as '_'; false: too long to be meant for a setting. */
static bool normalise(struct slice name, char out[NAME_MAX_LEN + 1])
{
    if (name.len == 0 || name.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = (char)toupper((unsigned char)name.ptr[i]);
        out[i] = (char)(c == '-' || c == '.' ? '_' : c);
    }
    out[name.len] = '\0';
    return true;
}

struct words {
    struct slice list[WORDS_MAX];
    size_t count;
};

static void split(const char *name, struct words *words)
{
    words->count = 0;
    while (*name && words->count < WORDS_MAX) {
        size_t len = strcspn(name, "_");
        if (len > 0)
            words->list[words->count++] = (struct slice){name, len};
        name += len + (name[len] == '_');
    }
}

static size_t shared_words(const struct words *a, const struct words *b)
{
    size_t shared = 0;
    for (size_t i = 0; i < a->count; i++)
        for (size_t j = 0; j < b->count; j++)
            if (slice_equal(a->list[i], b->list[j])) {
                shared++;
                break;
            }
    return shared;
}

/** OpenTelemetry's, of which other programs read a hundred more. */
static bool is_of_otel(const char *name)
{
    return strncmp(name, "OTEL_", strlen("OTEL_")) == 0;
}

/** The standard has each setting of its exporters once more for each kind of signal. */
static bool is_of_signal(const char *name)
{
    static const char *const signals[] = {"TRACES_", "METRICS_", "LOGS_", "PROFILES_"};
    static const char exporter[] = "OTEL_EXPORTER_OTLP_";
    if (strncmp(name, exporter, sizeof exporter - 1) != 0)
        return false;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (strncmp(name + sizeof exporter - 1, signals[i], strlen(signals[i])) == 0)
            return true;
    return false;
}

/** One word is left out, added or another, and two others at least are the setting's. Not another one where
 * it makes a name of OpenTelemetry's: most of those are somebody's. */
static bool differs_by_a_word(const char *a, const char *b)
{
    struct words left = {0}, right = {0};
    split(a, &left);
    split(b, &right);
    size_t shared = shared_words(&left, &right);
    size_t longer = left.count > right.count ? left.count : right.count;
    size_t shorter = left.count + right.count - longer;
    if (is_of_signal(a) || (is_of_otel(a) && shared < shorter))
        return false;
    return shared >= 2 && shared + 1 >= longer && left.count > 0 && slice_equal(left.list[0], right.list[0]);
}

/** How far: 0 is the name itself in another form, SLIPS_MAX + 1 a word, anything more is not near. */
static unsigned how_far(const char *name, const char *setting)
{
    unsigned slips = near_distance(name, setting);
    size_t allowed = strlen(setting) / LETTERS_FOR_EACH_SLIP;
    if (slips <= (allowed < SLIPS_MAX ? allowed : SLIPS_MAX))
        return slips;
    return differs_by_a_word(name, setting) ? SLIPS_MAX + 1 : SLIPS_MAX + 2;
}

static bool ends_with(struct slice text, const char *end)
{
    size_t len = strlen(end);
    return text.len > len && memcmp(text.ptr + text.len - len, end, len) == 0;
}

/** NAME or NAME_FILE of a setting, or a name that others read. */
static bool is_read(struct slice name)
{
    static const char *const of_others[] = {"FTP_PROXY",      "RSYNC_PROXY", "SOCKS_PROXY", "SSL_CERT_DIR",
                                            "LOG_FILE",       "PORT",        GITLAB_URL,    "GITLAB_URI",
                                            "CURL_CA_BUNDLE", "GIT_PROXY",   "NO_COLOR",    "http_proxy",
                                            "https_proxy",    "all_proxy",   "no_proxy",    "ftp_proxy",
                                            "rsync_proxy",    "socks_proxy", "DOCKER_PROXY"};
    struct slice base = name;
    if (ends_with(name, FILE_SUFFIX) || ends_with(name, "_file"))
        base.len -= sizeof FILE_SUFFIX - 1;
    for (size_t i = 0; i < sizeof of_others / sizeof *of_others; i++)
        if (slice_equal_text(name, of_others[i]) || slice_equal_text(base, of_others[i]))
            return true;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        if (slice_equal_text(name, setting->name) || slice_equal_text(base, setting->name) ||
            (setting->either_case && slice_equal_text_ignore_case(base, setting->name)))
            return true;
    }
    return false;
}

static const char *nearest(const char *name, unsigned *far)
{
    bool gitlab = near_distance(name, GITLAB_URL) == 1;
    const char *nearest = gitlab ? GITLAB_URL : NULL;
    *far = gitlab ? 1 : SLIPS_MAX + 2;
    for (size_t i = 0; i < config_setting_count; i++) {
        unsigned here = how_far(name, config_settings[i].name);
        if (here < *far) {
            nearest = config_settings[i].name;
            *far = here;
        }
    }
    return nearest;
}

void near_name_warn(struct slice name, struct buffer *warnings)
{
    char whole[NAME_MAX_LEN + 1];
    if (is_read(name) || !normalise(name, whole))
        return;
    unsigned far, base_far = SLIPS_MAX + 2;
    const char *setting = nearest(whole, &far), *base = NULL;
    bool file = ends_with(slice_of(whole), FILE_SUFFIX);
    if (file) {
        whole[strlen(whole) - (sizeof FILE_SUFFIX - 1)] = '\0';
        base = nearest(whole, &base_far);
    }
    file = base && base_far <= far;
    setting = file ? base : setting;
    if (setting)
        buffer_appendf(warnings, "%.*s: is no setting and has no effect; did you mean %s%s?\n", (int)name.len,
                       name.ptr, setting, file ? FILE_SUFFIX : "");
}
