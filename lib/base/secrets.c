/* Finds secrets in a text as they are, escaped as in JSON, percent-encoded, in base64 or in hexadecimal, in
 * one pass over the bytes with which one of these may begin. Must never show the beginning of a secret that
 * the text's end cuts off. */
#include "base/secrets.h"
#include "base/json_escape.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/** Together: a colon, and the two characters that end a line. */
enum { SEPARATORS_MAX = 3 };

/* The list */

static void add_form(struct secrets *secrets, struct secret_form form)
{
    if (secrets->count == secrets->room && !secrets->failed) {
        size_t room = secrets->room ? secrets->room * 2 : 16;
        struct secret_form *grown = realloc(secrets->forms, room * sizeof *grown);
        secrets->failed = !grown;
        if (grown) {
            secrets->forms = grown;
            secrets->room = room;
        }
    }
    if (secrets->failed) {
        free(form.own);
        return;
    }
    size_t *last = &secrets->beginning_with[(unsigned char)*form.bytes.ptr];
    form.next = *last;
    secrets->forms[secrets->count++] = form;
    *last = secrets->count;
}

/** Takes the bytes, which may move as they are taken. */
static void add_own_form(struct secrets *secrets, struct buffer *digits, bool any_case)
{
    secrets->failed |= digits->failed;
    struct secret_form form = {.bytes.len = digits->len, .any_case = any_case, .in_lines = true};
    form.own = buffer_take(digits, NULL);
    form.bytes.ptr = form.own;
    secrets->failed |= !form.own;
    add_form(secrets, form);
}

static void add_hexadecimal(struct secrets *secrets, struct slice value)
{
    static const char hexadecimal[] = "0123456789abcdef";
    struct buffer digits = {0};
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte = (unsigned char)value.ptr[i];
        buffer_append_char(&digits, hexadecimal[byte >> 4]);
        buffer_append_char(&digits, hexadecimal[byte & 15]);
    }
    add_own_form(secrets, &digits, true);
}

/** Of the six bits with this number in base64 of `before` unknown bytes and the value: which byte they stand
 * for in the alphabet. */
static char base64_digit(struct slice value, size_t before, size_t number, const char *alphabet)
{
    size_t bit = number * 6 - before * 8;
    unsigned first = (unsigned char)value.ptr[bit / 8], second = 0;
    if (bit / 8 + 1 < value.len)
        second = (unsigned char)value.ptr[bit / 8 + 1];
    return alphabet[((first << 8 | second) >> (10 - bit % 8)) & 63];
}

/** The digits that the value decides alone, `before` bytes behind the beginning of three. */
static void add_base64(struct secrets *secrets, struct slice value, size_t before, const char *last_digits)
{
    char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct buffer digits = {0};
    memcpy(alphabet + 62, last_digits, 2);
    size_t end = (before + value.len) * 8 / 6;
    for (size_t number = (before * 8 + 5) / 6; number < end; number++)
        buffer_append_char(&digits, base64_digit(value, before, number, alphabet));
    struct slice bytes = buffer_slice(&digits);
    bool plain = !digits.failed && !memchr(bytes.ptr, last_digits[0], bytes.len) &&
                 !memchr(bytes.ptr, last_digits[1], bytes.len);
    if (plain && *last_digits == '-') { /* it is in the other alphabet too, and has been added */
        secrets->failed |= digits.failed;
        buffer_clear(&digits);
        return;
    }
    add_own_form(secrets, &digits, false);
}

void secrets_add(struct secrets *secrets, struct slice value, size_t shortest)
{
    if (value.len == 0 || value.len < shortest || secrets->failed)
        return;
    add_form(secrets, (struct secret_form){.bytes = value});
    if (value.len < SECRET_MIN)
        return;
    add_hexadecimal(secrets, value);
    for (size_t before = 0; before < 3; before++) {
        add_base64(secrets, value, before, "+/");
        add_base64(secrets, value, before, "-_");
    }
}

void secrets_clear(struct secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        struct secret_form *form = &secrets->forms[i];
        if (form->own) {
            explicit_bzero(form->own, form->bytes.len);
            free(form->own);
        }
    }
    free(secrets->forms);
    *secrets = (struct secrets){0};
}

void secrets_add_user_info(struct secrets *secrets, struct slice plain)
{
    const char *colon = plain.len > 0 ? memchr(plain.ptr, ':', plain.len) : NULL;
    size_t user = colon ? (size_t)(colon - plain.ptr) : plain.len;
    secrets_add(secrets, plain, SECRET_MIN);
    if (colon && user + 1 < plain.len)
        secrets_add(secrets, (struct slice){colon + 1, plain.len - user - 1}, SECRET_MIN);
    else
        secrets_add(secrets, (struct slice){plain.ptr, user}, SECRET_MIN);
}

bool secret_name(struct slice name)
{
    static const char *const parts[] = {
        "authorization", "cookie",     "token",      "secret",        "password",         "passwd",
        "api-key",       "api_key",    "apikey",     "private",       "credential",       "x-auth",
        "access-key",    "access_key", "passphrase", "functions-key", "subscription-key", "session"};
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

/** What is left of the text before it ends or was cut ("…"), where that is within the bytes of an escape. */
static struct slice until_cut(struct slice text)
{
    enum { ESCAPE_MAX = 12 };
    static const char mark[] = "…";
    size_t near = text.len < ESCAPE_MAX + sizeof mark ? text.len : ESCAPE_MAX + sizeof mark;
    const char *at = near > 0 ? memmem(text.ptr, near, mark, sizeof mark - 1) : NULL;
    return at ? (struct slice){text.ptr, (size_t)(at - text.ptr)} : text;
}

static bool same_byte(const struct secret_form *form, char of_text, char of_secret)
{
    return of_text == of_secret || (form->any_case && tolower((unsigned char)of_text) == of_secret);
}

/** What stands between digits, and is none: the end of a line, as it is or escaped, or a colon. Bytes of the
 * text; 0: it is something else. */
static size_t separator(struct slice text, const struct secret_form *form)
{
    char bytes[4];
    size_t len, taken;
    if (!form->in_lines || text.len == 0)
        return 0;
    if (*text.ptr == '\r' || *text.ptr == '\n' || (form->any_case && *text.ptr == ':'))
        return 1;
    taken = unescape(text, bytes, &len);
    return taken > 0 && (bytes[0] == '\r' || bytes[0] == '\n') ? taken : 0;
}

/** Does the text begin with the secret, each character as it is or escaped? Then how many bytes of it. */
static size_t begins_with_escaped(struct slice text, const struct secret_form *form, size_t *steps)
{
    struct slice secret = form->bytes;
    size_t at = 0, whole = secret.len, between = 0;
    while (secret.len > 0) {
        ++*steps;
        char bytes[4];
        size_t left = secret.len, apart = 0, len;
        size_t taken = at < text.len ? unescape(after(text, at), bytes, &len) : 0;
        if (taken > 0 && len <= secret.len && memcmp(bytes, secret.ptr, len) == 0) {
            at += taken;
            secret = after(secret, len);
        } else if (at < text.len &&
                   (same_byte(form, text.ptr[at], secret.ptr[0]) ||
                    (text.ptr[at] == '+' && secret.ptr[0] == ' '))) { /* forms write blanks so */
            at++;
            secret = after(secret, 1);
        } else if (left < whole && between < SEPARATORS_MAX && at < text.len &&
                   (apart = separator(after(text, at), form)) > 0) {
            at += apart;
            between++;
        } else {
            size_t found = whole - secret.len;
            if (found >= SECRET_ENOUGH) /* nobody looks at these bytes again */
                return at;
            if (found < SECRET_MIN)
                return 0;
            struct slice rest = until_cut(after(text, at));
            return rest.len == 0 || is_cut_escape(rest) ? at + rest.len : 0;
        }
        if (secret.len < left)
            between = 0;
    }
    return at;
}

/** One that holds what looks like an escape. */
static size_t begins_with_bytes(struct slice text, struct slice secret, size_t *steps)
{
    size_t at = 0;
    while (at < secret.len && at < text.len && text.ptr[at] == secret.ptr[at])
        at++;
    *steps += at + 1;
    return at == secret.len || at >= SECRET_ENOUGH ? at : 0;
}

/** The longest of those secrets with this first byte that the text begins with, in whatever writing, or
 * `longest`. */
static size_t longest_of(const struct secrets *secrets, unsigned char first, struct slice text,
                         size_t longest, size_t *steps)
{
    for (size_t i = secrets->beginning_with[first]; i > 0; i = secrets->forms[i - 1].next) {
        const struct secret_form *form = &secrets->forms[i - 1];
        size_t len = begins_with_escaped(text, form, steps);
        if (len < form->bytes.len) {
            size_t plain = begins_with_bytes(text, form->bytes, steps);
            len = plain > len ? plain : len;
        }
        if (len > longest)
            longest = len;
    }
    return longest;
}

/** The longest of the secrets that the text begins with, in whatever writing: bytes of the text; 0: none. */
static size_t secret_at(const struct secrets *secrets, struct slice text, size_t *steps)
{
    char bytes[4];
    size_t len;
    unsigned char first = (unsigned char)*text.ptr;
    size_t longest = longest_of(secrets, first, text, 0, steps);
    if (isupper(first))
        longest = longest_of(secrets, (unsigned char)tolower(first), text, longest, steps);
    if (unescape(text, bytes, &len) > 0)
        longest = longest_of(secrets, (unsigned char)bytes[0], text, longest, steps);
    return first == '+' ? longest_of(secrets, ' ', text, longest, steps) : longest;
}

static bool may_begin(const struct secrets *secrets, char byte)
{
    unsigned char c = (unsigned char)byte;
    return secrets->beginning_with[c] > 0 || c == '\\' || c == '%' || c == '+' ||
           (isupper(c) && secrets->beginning_with[tolower(c)] > 0);
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

size_t redact(const struct secrets *secrets, struct slice text, size_t limit, struct buffer *out)
{
    static const char mask[] = "***";
    bool cut = limit < SIZE_MAX;
    size_t before = out->len, steps = 0, enough = REDACT_STEPS_MIN + text.len * REDACT_STEPS_PER_BYTE;
    out->failed |= secrets->failed; /* better nothing than a secret */
    while (text.len > 0 && limit > 0) {
        size_t plain = 0, found;
        while (plain < text.len && plain < limit && !may_begin(secrets, text.ptr[plain]))
            plain++;
        buffer_append(out, text.ptr, plain);
        text = after(text, plain);
        limit -= plain;
        if (text.len == 0 || limit == 0)
            break;
        found = steps < enough ? secret_at(secrets, text, &steps) : text.len; /* it may be anything */
        size_t shown = found == 0 ? 1 : limit < sizeof mask - 1 ? limit : sizeof mask - 1;
        buffer_append(out, found > 0 ? mask : text.ptr, shown);
        text = after(text, found > 0 ? found : 1);
        limit -= shown;
    }
    if (cut && !out->failed && out->len > before)
        out->len -= cut_character((struct slice){out->ptr + before, out->len - before});
    return steps;
}
