#include "port/response.h"
#include "event/event.h"

/** The values that count as an empty response. */
static bool counts_as_empty(struct slice json)
{
    static const char *const empty[] = {"{}", "[]", "\"\"", "0", "false", "null"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (slice_equal_text(json, empty[i]))
            return true;
    return false;
}

/** The body as a JSON value: itself when it is one, else its text as a string. */
static void append_json(struct slice body, struct buffer *out)
{
    int failed = json_canonical(body, out, NULL);
    if (failed == PA_ERR_MEMORY)
        out->failed = true;
    else if (failed)
        buffer_append_json_string(out, body);
}

void port_action_response(struct slice body, struct buffer *out)
{
    size_t before = out->len;
    if (body.len == 0)
        return;
    append_json(body, out);
    if (counts_as_empty((struct slice){out->ptr + before, out->len - before}))
        out->len = before;
}

void port_node_response(int status, struct slice body, struct buffer *out)
{
    buffer_appendf(out, "{\"status\":%d,\"data\":", status);
    if (body.len > 0)
        append_json(body, out);
    else
        buffer_append_text(out, "{}");
    buffer_append_char(out, '}');
}
