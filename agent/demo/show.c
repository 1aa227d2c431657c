/* See show.h. */
#include "show.h"
#include "agent/body.h"
#include "agent/help.h"
#include <stdarg.h>
#include <stdio.h>

enum { NAME_COLUMN = 24, SENTENCE_SIZE = 2048 };

void demo_say(const struct demo_show *show, const char *format, ...)
{
    char text[SENTENCE_SIZE];
    va_list arguments;
    if (show->json)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    help_paragraphs(text, show->width, stdout);
    fflush(stdout);
}

void demo_row(const struct demo_show *show, const char *name, const char *text)
{
    if (show->json)
        return;
    help_row(name, NAME_COLUMN, text, show->width, stdout);
    fflush(stdout);
}

void demo_block(const struct demo_show *show, struct slice lines)
{
    bool begins = true;
    for (size_t i = 0; i < lines.len && !show->json; i++) {
        char c = lines.ptr[i];
        if (c == '\r')
            continue;
        if (begins && c != '\n')
            fputs("    ", stdout);
        fputc(c, stdout);
        begins = c == '\n';
    }
    if (!begins)
        fputc('\n', stdout);
}

void demo_body(const struct demo_show *show, struct slice body)
{
    struct buffer text = {0};
    body_show(body, show->colour, &text);
    demo_block(show, buffer_slice(&text));
    buffer_clear(&text);
}

void demo_object(const struct demo_show *show, const char *step, struct buffer *members)
{
    if (show->json) {
        printf("{\"step\":\"%s\"%s%s}\n", step, members->len > 0 ? "," : "", buffer_text(members));
        fflush(stdout);
    }
    buffer_clear(members);
}

void demo_problem(struct demo_show *show, const char *format, ...)
{
    char text[SENTENCE_SIZE];
    struct buffer members = {0};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    show->problems++;
    if (show->json) {
        buffer_append_text(&members, "\"message\":");
        buffer_append_json_string(&members, slice_of(text));
        demo_object(show, "problem", &members);
        return;
    }
    printf("  ! %s\n", text);
    fflush(stdout);
}
