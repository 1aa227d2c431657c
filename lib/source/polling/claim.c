/* Claims and acknowledgements, and the event that a claimed run stands for. What is forwarded is cut from the
 * answer's own bytes, so numbers stay as they were written. */
#include "source/polling/claim.h"
#include "event/event.h"
#include "json/canonical.h"
#include "json/members.h"
#include <string.h>

static const struct {
    const char *claim_path, *ack_path, *list, *id, *acked;
} formats[CLAIM_KINDS] = {
    [CLAIM_RUNS] = {"/v1/actions/runs/claim-pending", "/v1/actions/runs/ack", "runs", "id", "ackedCount"},
    [CLAIM_NODE_RUNS] = {"/v1/workflows/runs/claim-pending", "/v1/workflows/runs/ack", "nodeRuns",
                         "identifier", "acked"},
};

/* Asking */

const char *claim_path(enum claim_kind kind)
{
    return formats[kind].claim_path;
}

void claim_body(enum claim_kind kind, size_t limit, struct buffer *out)
{
    buffer_appendf(out, "{\"installationId\":\"_PORT_EXEC_AGENT\",\"limit\":%zu%s}", limit,
                   kind == CLAIM_RUNS ? ",\"invocationMethod\":\"WEBHOOK\"" : "");
}

const char *claim_ack_path(enum claim_kind kind)
{
    return formats[kind].ack_path;
}

void claim_ack_body(enum claim_kind kind, struct slice id, struct buffer *out)
{
    buffer_append_text(out, kind == CLAIM_RUNS ? "{\"runIds\":[" : "{\"nodeRunIdentifier\":");
    buffer_append_json_string(out, id);
    buffer_append_text(out, kind == CLAIM_RUNS ? "]}" : "}");
}

/** A number says how many; a text may say either, as Python would have it. */
static enum claim_verdict verdict_of(struct slice said)
{
    static const char *const ours[] = {"true", "\"true\"", "\"True\""};
    static const char *const others[] = {"false", "\"false\"", "\"False\"", "\"\""};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_equal_text(said, ours[i]))
            return CLAIM_OURS;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (slice_equal_text(said, others[i]))
            return CLAIM_NOT_OURS;
    bool text = said.len > 2 && *said.ptr == '"';
    struct slice number = text ? (struct slice){said.ptr + 1, said.len - 2} : said;
    for (size_t i = 0; text && i < number.len; i++)
        if (number.ptr[i] < '0' || number.ptr[i] > '9')
            return CLAIM_UNSAID;
    if (number.len == 0 || !strchr("-0123456789", *number.ptr))
        return CLAIM_UNSAID;
    return *number.ptr != '-' && json_is_truthy(number) ? CLAIM_OURS : CLAIM_NOT_OURS;
}

enum claim_verdict claim_acked(enum claim_kind kind, struct slice answer)
{
    struct buffer canonical = {0};
    enum claim_verdict verdict = CLAIM_UNSAID;
    if (json_canonical(answer, &canonical, NULL) == 0 && !canonical.failed)
        verdict = verdict_of(members_find(buffer_slice(&canonical), formats[kind].acked));
    buffer_clear(&canonical);
    return verdict;
}

/* Reading an answer. `run`, and what is found in it, is canonical. */

/** The member's value; `otherwise` where there is none, or null. */
static struct slice named(struct slice object, const char *name, const char *otherwise)
{
    struct slice value = members_find(object, name);
    return slice_is_null(value) || slice_equal_text(value, "null") ? slice_of(otherwise) : value;
}

/** `object` with its member `name` set to `value`, in its place or at the end. Anything but an object counts
 * as an empty one. */
static void append_with(struct buffer *out, struct slice object, const char *name, struct slice value)
{
    struct members walk = members_of(object);
    struct slice key, old;
    bool first = true, written = false;
    buffer_append_char(out, '{');
    while (walk.close == '}' && members_next(&walk, &key, &old)) {
        bool same = slice_equal_text(key, name);
        if (same && written)
            continue;
        buffer_append_text(out, first ? "\"" : ",\"");
        buffer_append_slice(out, key);
        buffer_append_text(out, "\":");
        buffer_append_slice(out, same ? value : old);
        first = false;
        written |= same;
    }
    if (!written) {
        buffer_append_text(out, first ? "\"" : ",\"");
        buffer_append_text(out, name);
        buffer_append_text(out, "\":");
        buffer_append_slice(out, value);
    }
    buffer_append_char(out, '}');
}

/** append_with to `buffer` itself. */
static void set_member(struct buffer *buffer, const char *name, struct slice value)
{
    struct buffer old = *buffer;
    *buffer = (struct buffer){0};
    append_with(buffer, buffer_slice(&old), name, value);
    buffer->failed |= old.failed;
    buffer_clear(&old);
}

/** The invocation method: these members, whatever else Port names, so that an expression that reads one finds
 * it. What Port leaves out, or has as null, is as today's agents have it. */
static void append_method(struct buffer *out, struct slice method)
{
    static const struct {
        const char *name, *otherwise;
    } parts[] = {{"type", "null"},
                 {"url", "null"},
                 {"synchronized", "false"},
                 {"method", "\"POST\""},
                 {"headers", "{}"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        buffer_appendf(out, "%c\"%s\":", i == 0 ? '{' : ',', parts[i].name);
        buffer_append_slice(out, named(method, parts[i].name, parts[i].otherwise));
    }
    buffer_append_char(out, '}');
}

/** The event of a run with this method (an action run's `payload`, a node run's `config`), from `body` on. */
static void build_event(struct buffer *event, enum claim_kind kind, struct slice id, struct slice method,
                        struct slice body)
{
    struct buffer invocation = {0}, action = {0}, payload = {0}, context = {0}, run_id = {0};
    append_method(&invocation, method);
    append_with(&action, members_find(members_find(body, "payload"), "action"), "invocationMethod",
                buffer_slice(&invocation));
    append_with(&payload, members_find(body, "payload"), "action", buffer_slice(&action));
    buffer_append_json_string(&run_id, id);
    append_with(&context, members_find(body, "context"), "runId", buffer_slice(&run_id));
    if (kind == CLAIM_NODE_RUNS)
        set_member(&context, "nodeConfig", method);
    append_with(event, body, "headers", named(method, "headers", "{}"));
    set_member(event, "payload", buffer_slice(&payload));
    set_member(event, "context", buffer_slice(&context));
    event->failed |= invocation.failed || action.failed || payload.failed || context.failed || run_id.failed;
    buffer_clear(&invocation);
    buffer_clear(&action);
    buffer_clear(&payload);
    buffer_clear(&context);
    buffer_clear(&run_id);
}

static bool is_object(struct slice value)
{
    return value.len > 0 && *value.ptr == '{';
}

/** The id, without its quotes; null: none that can be used. */
static struct slice id_of(enum claim_kind kind, struct slice run)
{
    struct slice text = members_find(run, formats[kind].id);
    if (text.len < 2 || *text.ptr != '"')
        return (struct slice){NULL, 0};
    struct slice id = {text.ptr + 1, text.len - 2};
    return run_id_is_usable(id) ? id : (struct slice){NULL, 0};
}

static void read_parts(enum claim_kind kind, struct slice run, struct claimed *claimed)
{
    struct slice method = members_find(run, kind == CLAIM_RUNS ? "payload" : "config");
    struct slice body = kind == CLAIM_RUNS ? members_find(method, "body") : SLICE_LITERAL("{}");
    /* Only an agent's runs can be claimed here: that the failure of a broken one is heard of matters more. */
    struct slice agent = members_find(method, "agent");
    claimed->agent = slice_is_null(agent) || json_is_truthy(agent);
    if (!is_object(method))
        claimed->broken =
            kind == CLAIM_RUNS ? "its \"payload\" is not an object" : "its \"config\" is not an object";
    else if (slice_is_null(agent))
        claimed->broken = "Port does not say whether it is for an agent: there is no \"agent\"";
    else if (!is_object(body))
        claimed->broken = "its \"payload.body\" is not an object";
    else
        build_event(claimed->event, kind, claimed->id, method, body);
}

static int read_run(enum claim_kind kind, struct slice raw, claim_each *each, void *ctx)
{
    struct buffer canonical = {0}, event = {0};
    struct error err = {0};
    struct claimed claimed = {.event = &event};
    int failed = json_canonical(raw, &canonical, &err);
    if (!failed && canonical.failed)
        failed = PA_ERR_MEMORY;
    claimed.id = id_of(kind, failed ? raw : buffer_slice(&canonical));
    if (failed == PA_ERR_INVALID && claimed.id.ptr) {
        claimed.agent = true;
        claimed.broken = err.message;
    } else if (!failed && claimed.id.ptr) {
        read_parts(kind, buffer_slice(&canonical), &claimed);
    }
    if (event.failed)
        failed = PA_ERR_MEMORY;
    if (failed != PA_ERR_MEMORY)
        each(ctx, &claimed);
    buffer_clear(&canonical);
    buffer_clear(&event);
    return failed == PA_ERR_MEMORY ? failed : 0;
}

int claim_open(struct claim_reader *reader, enum claim_kind kind, struct slice answer, struct error *err)
{
    struct members members = members_of(answer);
    struct slice list = {NULL, 0}, name, value;
    if (members.close != '}' || members.broken)
        return error_set(err, PA_ERR_INVALID, "Port's answer is not a JSON object");
    while (members_next(&members, &name, &value))
        if (slice_equal_text(name, formats[kind].list))
            list = value;
    if (members.broken)
        return error_set(err, PA_ERR_INVALID, "Port's answer is not JSON");
    if (slice_is_null(list) || slice_equal_text(list, "null"))
        list = SLICE_LITERAL("[]");
    *reader = (struct claim_reader){kind, members_of(list)};
    if (reader->walk.close != ']' || reader->walk.broken)
        return error_set(err, PA_ERR_INVALID, "\"%s\" in Port's answer is not a list", formats[kind].list);
    return 0;
}

int claim_next(struct claim_reader *reader, claim_each *each, void *ctx, bool *over, struct error *err)
{
    struct slice name, value;
    *over = !members_next(&reader->walk, &name, &value);
    if (!*over && read_run(reader->kind, value, each, ctx) != 0)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (reader->walk.broken)
        return error_set(err, PA_ERR_INVALID, "\"%s\" in Port's answer is not JSON",
                         formats[reader->kind].list);
    return 0;
}

int claim_read(enum claim_kind kind, struct slice answer, claim_each *each, void *ctx, struct error *err)
{
    struct claim_reader reader;
    bool over = false;
    int failed = claim_open(&reader, kind, answer, err);
    while (!failed && !over)
        failed = claim_next(&reader, each, ctx, &over, err);
    return failed;
}
