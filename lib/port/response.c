/* An answer's body as JSON: itself where it is JSON, else as a string. */
#include "port/response.h"
#include "json/canonical.h"
#include <string.h>

/** Zero in any notation: -0, 0.0, 0e5. */
static bool is_zero(struct slice json)
{
    bool digit = false;
    for (size_t i = 0; i < json.len && json.ptr[i] != 'e' && json.ptr[i] != 'E'; i++) {
        if (!strchr("-.0", json.ptr[i]))
            return false;
        digit |= json.ptr[i] == '0';
    }
    return digit;
}

/** The values that count as an empty response: those that are false in the way of Python. */
static bool counts_as_empty(struct slice json)
{
    static const char *const empty[] = {"{}", "[]", "\"\"", "false", "null"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (slice_equal_text(json, empty[i]))
            return true;
    return is_zero(json);
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
    size_t before = out->len;
    port_action_response(body, out);
    if (out->len == before)
        buffer_append_text(out, "{}");
    buffer_append_char(out, '}');
}
