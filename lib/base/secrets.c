/* Finds secrets in a text as they are, escaped as in JSON, or percent-encoded, in one pass over the bytes
 * with which a secret may begin. Must never show the beginning of a secret that the text's end cuts off. */
#include "base/secrets.h"
#include "base/json_escape.h"
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The list */

void secrets_add(struct secrets *secrets, struct slice value, size_t shortest)
{
    if (value.len == 0 || value.len < shortest || secrets->failed)
        return;
    if (secrets->count == secrets->room) {
        size_t room = secrets->room ? secrets->room * 2 : 8;
        struct slice *grown = realloc(secrets->values, room * sizeof *grown);
        secrets->failed = !grown;
        if (!grown)
            return;
        secrets->values = grown;
        secrets->room = room;
    }
    secrets->values[secrets->count++] = value;
}

void secrets_clear(struct secrets *secrets)
{
    free(secrets->values);
    *secrets = (struct secrets){0};
}

bool secret_name(struct slice name)
{
    static const char *const parts[] = {"authorization", "cookie",  "token",      "secret",    "password",
                                        "passwd",        "api-key", "api_key",    "apikey",    "private",
                                        "credential",    "x-auth",  "access-key", "access_key"};
    char lower[128];
    size_t len = name.len < sizeof lower - 1 ? name.len : sizeof lower - 1;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)name.ptr[i]);
    lower[len] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(lower, parts[i]))
            return true;
    return false;
}

/* Finding them */

static struct slice after(struct slice text, size_t count)
{
    return (struct slice){text.ptr + count, text.len - count};
}

/** Reads one escape: of JSON, or of a URL. Bytes of the text taken; 0: there is none. */
static size_t unescape(struct slice text, char out[4], size_t *len)
{
    if (text.len >= 3 && text.ptr[0] == '%') {
        int32_t byte = slice_hexadecimal(after(text, 1), 2);
        out[0] = (char)byte;
        *len = 1;
        return byte < 0 ? 0 : 3;
    }
    uint32_t code = 0;
    size_t taken = text.ptr[0] == '\\' ? json_escape_read(text, &code) : 0;
    *len = utf8_encode(code, out);
    return taken;
}

/** Does the text end in the middle of what could be an escape? */
static bool is_cut_escape(struct slice text)
{
    bool unicode = text.len >= 2 && text.ptr[1] == 'u';
    bool half = unicode && text.len >= 6 && slice_hexadecimal(after(text, 2), 4) >> 10 == 0xD800 >> 10;
    size_t whole = text.ptr[0] == '%' ? 3 : half ? 12 : unicode ? 6 : 2;
    return (text.ptr[0] == '%' || text.ptr[0] == '\\') && text.len < whole;
}

/** Does the text begin with the secret, each character as it is or escaped? Then how many bytes of it. */
static size_t begins_with_escaped(struct slice text, struct slice secret)
{
    size_t at = 0, whole = secret.len;
    while (secret.len > 0) {
        char bytes[4];
        size_t len, taken = at < text.len ? unescape(after(text, at), bytes, &len) : 0;
        if (taken > 0 && len <= secret.len && memcmp(bytes, secret.ptr, len) == 0) {
            at += taken;
            secret = after(secret, len);
        } else if (at < text.len &&
                   (text.ptr[at] == secret.ptr[0] ||
                    (text.ptr[at] == '+' && secret.ptr[0] == ' '))) { /* forms write blanks so */
            at++;
            secret = after(secret, 1);
        } else {
            bool cut = at < text.len ? is_cut_escape(after(text, at)) : true;
            return cut && whole - secret.len >= SECRET_MIN ? text.len : 0;
        }
    }
    return at;
}

/** The longest of the secrets that the text begins with, in whatever writing: bytes of the text; 0: none. */
static size_t secret_at(const struct secrets *secrets, struct slice text)
{
    size_t longest = 0;
    for (size_t i = 0; i < secrets->count; i++) {
        struct slice secret = secrets->values[i];
        size_t len = begins_with_escaped(text, secret);
        if (len < secret.len && text.len >= secret.len && memcmp(text.ptr, secret.ptr, secret.len) == 0)
            len = secret.len; /* one that holds what looks like an escape */
        if (len > longest)
            longest = len;
    }
    return longest;
}

/** The bytes with which a secret may begin: most of a text is passed over by them. */
static void note_beginnings(const struct secrets *secrets, bool beginnings[UCHAR_MAX + 1])
{
    beginnings['\\'] = beginnings['%'] = beginnings['+'] = true;
    for (size_t i = 0; i < secrets->count; i++)
        beginnings[(unsigned char)*secrets->values[i].ptr] = true;
}

/** Bytes at the end of a text that begin a character whose rest was cut. */
static size_t cut_character(struct slice text)
{
    for (size_t len = 1; len < 4 && len <= text.len; len++) {
        unsigned char c = (unsigned char)text.ptr[text.len - len];
        size_t whole = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        if (c < 0x80)
            return 0;
        if (c >= 0xC0)
            return len < whole ? len : 0;
    }
    return 0;
}

void redact(const struct secrets *secrets, struct slice text, size_t limit, struct buffer *out)
{
    static const char mask[] = "***";
    bool beginnings[UCHAR_MAX + 1] = {false}, cut = limit < SIZE_MAX;
    size_t before = out->len;
    out->failed |= secrets->failed; /* better nothing than a secret */
    if (secrets->count > 0)
        note_beginnings(secrets, beginnings);
    while (text.len > 0 && limit > 0) {
        size_t plain = 0, found;
        while (plain < text.len && plain < limit && !beginnings[(unsigned char)text.ptr[plain]])
            plain++;
        buffer_append(out, text.ptr, plain);
        text = after(text, plain);
        limit -= plain;
        if (text.len == 0 || limit == 0)
            break;
        found = secret_at(secrets, text);
        size_t shown = found == 0 ? 1 : limit < sizeof mask - 1 ? limit : sizeof mask - 1;
        buffer_append(out, found > 0 ? mask : text.ptr, shown);
        text = after(text, found > 0 ? found : 1);
        limit -= shown;
    }
    if (cut && !out->failed && out->len > before)
        out->len -= cut_character((struct slice){out->ptr + before, out->len - before});
}
