/* An answer's body as JSON: itself where it is JSON, else as a string. */
#include "port/response.h"
#include "json/canonical.h"

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
    if (!json_is_truthy((struct slice){out->ptr + before, out->len - before}))
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
