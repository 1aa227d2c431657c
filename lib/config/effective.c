/* See effective.h. The way back from each kind of setting's member to a text. */
#include "config/effective.h"
#include "http/proxy.h"
#include "http/url.h"
#include <string.h>

const char *config_origin(const struct config *config, size_t place)
{
    static const char *const words[] = {[ORIGIN_DEFAULT] = "default",
                                        [ORIGIN_ENVIRONMENT] = "environment",
                                        [ORIGIN_DOTENV] = ".env",
                                        [ORIGIN_FILE] = "file"};
    return words[config->origins[place]];
}

static void append_size(struct buffer *out, int64_t bytes)
{
    static const char *const units[] = {"", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (bytes > 0 && bytes % 1024 == 0 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1024;
        unit++;
    }
    buffer_append_int(out, bytes);
    buffer_append_text(out, units[unit]);
}

/** Milliseconds as seconds, with the decimals that there are. */
static void append_seconds(struct buffer *out, int64_t ms)
{
    buffer_append_int(out, ms / 1000);
    if (ms % 1000 == 0)
        return;
    buffer_appendf(out, ".%03d", (int)(ms % 1000));
    while (out->len > 0 && out->ptr[out->len - 1] == '0')
        out->len--;
}

static void append_enum(struct buffer *out, const struct setting *setting, unsigned value)
{
    for (const struct setting_choice *choice = setting->choices; choice->word; choice++)
        if (choice->value == value) {
            buffer_append_text(out, choice->word);
            return;
        }
}

static void append_value_text(struct buffer *out, const char *text)
{
    buffer_append_one_line(out, slice_of(text));
}

void config_append_value(const struct config *config, size_t place, struct buffer *out)
{
    const struct setting *setting = &config_settings[place];
    const void *member = (const char *)config + setting->offset;
    switch (setting->kind) {
    case SETTING_SECRET:
        buffer_append_text(out, ((const struct secret *)member)->value.len > 0 ? "set" : "");
        break;
    case SETTING_BOOLEAN:
        buffer_append_text(out, *(const bool *)member ? "true" : "false");
        break;
    case SETTING_INTEGER:
        buffer_append_int(out, *(const int64_t *)member);
        break;
    case SETTING_BYTES:
        append_size(out, *(const int64_t *)member);
        break;
    case SETTING_SECONDS:
        append_seconds(out, *(const int64_t *)member);
        break;
    case SETTING_NUMBER:
        buffer_appendf(out, "%g", *(const double *)member);
        break;
    case SETTING_PROXY:
        proxy_append_shown(out, slice_of(*(char *const *)member));
        break;
    case SETTING_URL:
    case SETTING_ENDPOINT:
        url_append_shown(out, slice_of(*(char *const *)member));
        break;
    case SETTING_ENUM:
        append_enum(out, setting, *(const unsigned *)member);
        break;
    case SETTING_RETRY_ON:
        retry_on_append(member, out);
        break;
    default:
        append_value_text(out, *(char *const *)member);
        break;
    }
}
