/* Walks over JSON once and writes it anew in the wanted form. The JSON is valid already; nothing is checked.
 */
#include "json_form.h"
#include "base/json_escape.h"
#include "json/decimal.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 64 };

struct writing {
    const struct json_form *form;
    struct buffer *out;
    unsigned depth;
};

static void append_escaped(struct buffer *out, const char *text, size_t len)
{
    static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)text[0] & lead[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    char escape[JSON_ESCAPE_MAX];
    if (code >= 0x10000) {
        buffer_append(out, escape, json_escape_unit(0xd800 + ((code - 0x10000) >> 10), escape));
        code = 0xdc00 + ((code - 0x10000) & 0x3ff);
    }
    buffer_append(out, escape, json_escape_unit(code, escape));
}

/** The string that begins at `at`; returns where it ends. */
static size_t write_form_string(struct writing *writing, struct slice in, size_t at)
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

/** The shortest digits that mean the number (ECMA-262, Number::toString); null for one that no double holds.
 */
static void append_script_number(struct buffer *out, double number)
{
    char text[NUMBER_MAX];
    struct decimal decimal;
    if (!isfinite(number)) {
        buffer_append_text(out, "null");
        return;
    }
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, number);
        if (strtod(text, NULL) == number)
            break;
    }
    decimal_read(slice_of(text), &decimal);
    decimal_append(out, &decimal);
    decimal_clear(&decimal);
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
            at = write_form_string(&writing, canonical, at);
        else if (strchr(",:[]{}", canonical.ptr[at]))
            at = write_mark(&writing, canonical, at);
        else
            at = write_scalar(&writing, canonical, at);
    }
}
