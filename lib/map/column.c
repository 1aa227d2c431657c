/* Breaks an expression into lines wherever jq allows a line break, and finds from the number of a line the
 * byte where it began. */
#include "map/column.h"
#include <string.h>

/** One step over the expression: what stays together, and whether lines may be broken before and after it. */
struct piece {
    size_t len;
    bool break_before, break_after, blank;
};

/** A string literal, with its interpolations: `text` begins with its quote. */
static size_t string_length(struct slice text)
{
    size_t depth = 0; /* brackets of an interpolation */
    for (size_t at = 1; at < text.len; at++) {
        char c = text.ptr[at], next = at + 1 < text.len ? text.ptr[at + 1] : '\0';
        if (depth == 0 && c == '"')
            return at + 1;
        if (depth == 0 && c == '\\') {
            depth = next == '(' ? 1 : 0;
            at++;
        } else if (depth > 0 && c == '"') {
            at += string_length((struct slice){text.ptr + at, text.len - at}) - 1;
        } else if (depth > 0) {
            depth += c == '(';
            depth -= c == ')';
        }
    }
    return text.len;
}

static size_t run_length(struct slice text, bool blank)
{
    size_t at = 0;
    while (at < text.len && (blank ? char_is_blank(text.ptr[at]) : text.ptr[at] != '\n'))
        at++;
    return at;
}

static struct piece next_piece(struct slice rest)
{
    char c = rest.ptr[0], next = rest.len > 1 ? rest.ptr[1] : '\0';
    if (char_is_blank(c))
        return (struct piece){.len = run_length(rest, true), .blank = true};
    if (c == '#')
        return (struct piece){.len = run_length(rest, false)};
    if (c == '"')
        return (struct piece){.len = string_length(rest)};
    if (strchr(",;([{", c) || (c == '|' && next != '='))
        return (struct piece){.len = 1, .break_after = true};
    if (strchr(")]}", c))
        return (struct piece){.len = 1, .break_before = true};
    return (struct piece){.len = 1};
}

/** Walks the expression until the spread form has reached `line`; how far that is. */
static size_t walk(struct slice expression, size_t line, struct buffer *out)
{
    size_t at = 0, lines = 1;
    while (at < expression.len && lines < line) {
        struct piece piece = next_piece((struct slice){expression.ptr + at, expression.len - at});
        if (piece.blank || piece.break_before) {
            buffer_append_char(out, '\n');
            lines++;
        }
        if (lines >= line) /* the line begins behind blanks, or at the bracket before which it was broken */
            return at + (piece.blank ? piece.len : 0);
        if (!piece.blank)
            buffer_append(out, expression.ptr + at, piece.len);
        if (piece.break_after) {
            buffer_append_char(out, '\n');
            lines++;
        }
        at += piece.len;
    }
    return at;
}

void column_spread(struct buffer *out, struct slice expression)
{
    walk(expression, SIZE_MAX, out);
}

size_t column_of_line(struct slice expression, size_t line)
{
    struct buffer ignored = {0};
    size_t at = walk(expression, line, &ignored);
    buffer_clear(&ignored);
    return at;
}

void column_append(struct buffer *out, struct slice text, size_t at)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at && i < text.len; i++) {
        bool continues = ((unsigned char)text.ptr[i] & 0xc0) == 0x80;
        column = text.ptr[i] == '\n' ? 1 : column + !continues;
        line += text.ptr[i] == '\n';
    }
    buffer_appendf(out, "line %zu, column %zu", line, column);
}
