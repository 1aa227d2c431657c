#include "json_form.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 64, SCRIPT_FIXED_MAX = 21, SCRIPT_FIXED_MIN = -6 };

struct writing {
    const struct json_form *form;
    struct buffer *out;
    unsigned depth;
};

static void append_unit(struct buffer *out, uint32_t unit)
{
    buffer_appendf(out, "\\u%04x", unit);
}

static void append_escaped(struct buffer *out, const char *text, size_t len)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)text[0] & lead[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    if (code < 0x10000) {
        append_unit(out, code);
    } else {
        append_unit(out, 0xd800 + ((code - 0x10000) >> 10));
        append_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
    }
}

/** The string that begins at `at`; returns where it ends. */
static size_t write_string(struct writing *writing, struct slice in, size_t at)
{
    buffer_append_char(writing->out, in.ptr[at++]);
    while (at < in.len && in.ptr[at] != '"') {
        size_t len = utf8_sequence(in.ptr + at, in.len - at);
        if (in.ptr[at] == '\\' && at + 1 < in.len)
            len = 2;
        bool escape = (writing->form->ascii && len > 1 && in.ptr[at] != '\\') ||
                      (writing->form->html && strchr("<>&", in.ptr[at]));
        if (escape)
            append_escaped(writing->out, in.ptr + at, len);
        else
            buffer_append(writing->out, in.ptr + at, len > 0 ? len : 1);
        at += len > 0 ? len : 1;
    }
    buffer_append_char(writing->out, '"');
    return at + 1;
}

/** The shortest digits that mean the number, and the place of its decimal point (ECMA-262, Number::toString).
 */
static int shortest_digits(double number, char digits[NUMBER_MAX])
{
    char text[NUMBER_MAX];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            break;
    }
    size_t count = 0;
    const char *at = text;
    for (; *at && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            digits[count++] = *at;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    return *at == 'e' ? (int)strtol(at + 1, NULL, 10) + 1 : 1;
}

static void append_script_number(struct buffer *out, double number)
{
    char digits[NUMBER_MAX] = "0";
    if (number < 0)
        buffer_append_char(out, '-');
    int point = shortest_digits(number < 0 ? -number : number, digits);
    int count = (int)strlen(digits);
    if (number == 0) {
        buffer_append_char(out, '0');
    } else if (point > 0 && point <= SCRIPT_FIXED_MAX) {
        for (int i = 0; i < point || i < count; i++) {
            if (i == point)
                buffer_append_char(out, '.');
            buffer_append_char(out, i < count ? digits[i] : '0');
        }
    } else if (point <= 0 && point > SCRIPT_FIXED_MIN) {
        buffer_append_text(out, "0.");
        for (int i = point; i < 0; i++)
            buffer_append_char(out, '0');
        buffer_append_text(out, digits);
    } else {
        buffer_appendf(out, "%c%s%se%+d", digits[0], count > 1 ? "." : "", digits + 1, point - 1);
    }
}

/** The number or word that begins at `at`; returns where it ends. */
static size_t write_scalar(struct writing *writing, struct slice in, size_t at)
{
    size_t end = at;
    while (end < in.len && !strchr(",:[]{}", in.ptr[end]))
        end++;
    char text[NUMBER_MAX];
    bool number = in.ptr[at] == '-' || (in.ptr[at] >= '0' && in.ptr[at] <= '9');
    if (number && writing->form->script_numbers && end - at < sizeof text) {
        memcpy(text, in.ptr + at, end - at);
        text[end - at] = '\0';
        append_script_number(writing->out, strtod(text, NULL));
    } else {
        buffer_append(writing->out, in.ptr + at, end - at);
    }
    return end;
}

static void new_line(struct writing *writing)
{
    if (writing->form->indent == 0)
        return;
    buffer_append_char(writing->out, '\n');
    for (unsigned i = 0; i < writing->depth * writing->form->indent; i++)
        buffer_append_char(writing->out, ' ');
}

/** The bracket, comma or colon at `at`; returns where the next thing begins. */
static size_t write_mark(struct writing *writing, struct slice in, size_t at)
{
    char c = in.ptr[at];
    bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
    bool empty = opens && at + 1 < in.len && (in.ptr[at + 1] == '}' || in.ptr[at + 1] == ']');
    if (empty) {
        buffer_append(writing->out, in.ptr + at, 2);
        return at + 2;
    }
    if (closes) {
        writing->depth--;
        new_line(writing);
    }
    buffer_append_char(writing->out, c);
    if (opens)
        writing->depth++;
    if (opens || c == ',')
        new_line(writing);
    if (c == ',')
        buffer_append_text(writing->out, writing->form->after_comma);
    else if (c == ':')
        buffer_append_text(writing->out, writing->form->after_colon);
    return at + 1;
}

void json_write(struct slice canonical, const struct json_form *form, struct buffer *out)
{
    struct writing writing = {form, out, 0};
    for (size_t at = 0; at < canonical.len && !out->failed;) {
        if (canonical.ptr[at] == '"')
            at = write_string(&writing, canonical, at);
        else if (strchr(",:[]{}", canonical.ptr[at]))
            at = write_mark(&writing, canonical, at);
        else
            at = write_scalar(&writing, canonical, at);
    }
}
