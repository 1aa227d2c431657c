/* Port's answers to claims and acknowledgements: the runs cut out of them and the events built from the
 * parts, beside an oracle that builds the same on a tree with cJSON. Numbers are compared as they were
 * written.
 *
 * Input: a byte whose lowest bit is the kind, then the answer. */
#include "event/event.h"
#include "source/polling/claim.h"
#include "tree.h"
#include "json/canonical.h"
#include <stdlib.h>

struct reading {
    enum claim_kind kind;
    const cJSON *list; /* the oracle's; NULL: it has no say */
    size_t count;
};

static bool is_number_start(char c)
{
    return c == '-' || (c >= '0' && c <= '9');
}

/** A tree of canonical text, in which the number 1.0 is the text "#1.0": cJSON would make it 1. A text that
 * begins with '#' has two. */
static cJSON *tree_of(struct slice canonical)
{
    struct buffer text = {0};
    bool in_string = false;
    for (size_t i = 0; i < canonical.len; i++) {
        char c = canonical.ptr[i];
        if (!in_string && is_number_start(c)) {
            buffer_append_text(&text, "\"#");
            for (; i < canonical.len && !strchr(",]}", canonical.ptr[i]); i++)
                buffer_append_char(&text, canonical.ptr[i]);
            buffer_append_char(&text, '"');
            if (i == canonical.len)
                break;
            c = canonical.ptr[i];
        }
        buffer_append_char(&text, c);
        if (in_string && c == '\\')
            buffer_append_char(&text, canonical.ptr[++i]);
        else if (c == '"')
            in_string = !in_string;
        if (in_string && c == '"' && canonical.ptr[i + 1] == '#')
            buffer_append_char(&text, '#');
    }
    cJSON *tree = cJSON_ParseWithLength(buffer_slice(&text).ptr, text.len);
    buffer_clear(&text);
    return tree;
}

/* The oracle */

/** A copy of `object` with its members `name` replaced by one, which is `value`; takes `value`. */
static cJSON *with(const cJSON *object, const char *name, cJSON *value)
{
    cJSON *made = cJSON_CreateObject();
    bool written = false;
    if (cJSON_IsObject(object))
        for (const cJSON *member = object->child; member; member = member->next) {
            bool same = strcmp(member->string, name) == 0;
            if (!same)
                cJSON_AddItemToObject(made, member->string, cJSON_Duplicate(member, true));
            else if (!written)
                cJSON_AddItemToObject(made, name, value);
            written |= same;
        }
    if (!written)
        cJSON_AddItemToObject(made, name, value);
    return made;
}

/** The same for an object that is the caller's to change. */
static cJSON *set(cJSON *object, const char *name, cJSON *value)
{
    cJSON *made = with(object, name, value);
    cJSON_Delete(object);
    return made;
}

/** The member of the method, or what stands for one that is missing or null; takes `otherwise`. */
static cJSON *named(const cJSON *method, const char *name, cJSON *otherwise)
{
    const cJSON *value = last_member(method, name);
    if (!value || cJSON_IsNull(value))
        return otherwise;
    cJSON_Delete(otherwise);
    return cJSON_Duplicate(value, true);
}

static cJSON *expected_invocation(const cJSON *method)
{
    cJSON *made = cJSON_CreateObject();
    cJSON_AddItemToObject(made, "type", named(method, "type", cJSON_CreateNull()));
    cJSON_AddItemToObject(made, "url", named(method, "url", cJSON_CreateNull()));
    cJSON_AddItemToObject(made, "synchronized", named(method, "synchronized", cJSON_CreateFalse()));
    cJSON_AddItemToObject(made, "method", named(method, "method", cJSON_CreateString("POST")));
    cJSON_AddItemToObject(made, "headers", named(method, "headers", cJSON_CreateObject()));
    return made;
}

static bool is_number(const cJSON *value)
{
    return cJSON_IsString(value) && value->valuestring[0] == '#' && value->valuestring[1] != '#';
}

/** Numbers are texts here, as tree_of has them. */
static bool is_truthy(const cJSON *value)
{
    if (is_number(value))
        return strtod(value->valuestring + 1, NULL) != 0;
    if (cJSON_IsString(value))
        return value->valuestring[0] != '\0';
    if (cJSON_IsArray(value) || cJSON_IsObject(value))
        return value->child != NULL;
    return cJSON_IsTrue(value);
}

static const cJSON *method_of(enum claim_kind kind, const cJSON *run)
{
    return last_member(run, kind == CLAIM_RUNS ? "payload" : "config");
}

static cJSON *expected_event(enum claim_kind kind, const cJSON *run, const char *id)
{
    const cJSON *method = method_of(kind, run);
    const cJSON *body = kind == CLAIM_RUNS ? last_member(method, "body") : NULL;
    const cJSON *payload = last_member(body, "payload");
    cJSON *action = with(last_member(payload, "action"), "invocationMethod", expected_invocation(method));
    cJSON *context = with(last_member(body, "context"), "runId", cJSON_CreateString(id));
    if (kind == CLAIM_NODE_RUNS)
        context = set(context, "nodeConfig", cJSON_Duplicate(method, true));
    cJSON *event = with(body, "headers", named(method, "headers", cJSON_CreateObject()));
    event = set(event, "payload", with(payload, "action", action));
    return set(event, "context", context);
}

static void expect_same(const cJSON *got, const cJSON *expected)
{
    char *got_text = cJSON_PrintUnformatted(got), *expected_text = cJSON_PrintUnformatted(expected);
    EXPECT(got_text && expected_text && strcmp(got_text, expected_text) == 0);
    cJSON_free(got_text);
    cJSON_free(expected_text);
}

static void check_with_oracle(const struct reading *reading, const struct claimed *claimed, const cJSON *run)
{
    const cJSON *id = last_member(run, reading->kind == CLAIM_RUNS ? "id" : "identifier");
    const cJSON *method = method_of(reading->kind, run);
    bool body = reading->kind == CLAIM_NODE_RUNS || cJSON_IsObject(last_member(method, "body"));
    const cJSON *agent = cJSON_IsObject(method) ? last_member(method, "agent") : NULL;
    bool whole = agent && body;
    EXPECT((claimed->id.ptr != NULL) == (cJSON_IsString(id) && run_id_is_usable(slice_of(id->valuestring))));
    if (!claimed->id.ptr)
        return;
    EXPECT(slice_equal_text(claimed->id, id->valuestring));
    EXPECT((claimed->broken == NULL) == whole);
    EXPECT(claimed->agent == (!agent || is_truthy(agent)));
    if (claimed->broken)
        return;
    cJSON *got = tree_of(buffer_slice(claimed->event));
    cJSON *expected = expected_event(reading->kind, run, id->valuestring);
    expect_same(got, expected);
    cJSON_Delete(got);
    cJSON_Delete(expected);
}

/* Any answer */

/** The event is read as those of Kafka are, or it is said what is wrong with it. */
static void check_event(const struct claimed *claimed)
{
    struct event event;
    struct error err = {0};
    struct buffer canonical = {0};
    struct slice text = buffer_slice(claimed->event);
    event_init(&event);
    if (event_parse(&event, EVENT_RUN, text, &err) == 0) {
        EXPECT(slice_equal(event.run_id, claimed->id));
        EXPECT(event.invocation.present && !event.invocation.agent);
        EXPECT(json_canonical(text, &canonical, NULL) == 0 && slice_equal(buffer_slice(&canonical), text));
    } else {
        EXPECT(strstr(err.message, "comes twice") || strstr(err.message, "nesting too deep"));
    }
    event_clear(&event);
    buffer_clear(&canonical);
}

static void check(void *ctx, const struct claimed *claimed)
{
    struct reading *reading = ctx;
    if (!claimed->id.ptr)
        EXPECT(!claimed->agent && !claimed->broken && claimed->event->len == 0);
    else if (claimed->broken)
        EXPECT(run_id_is_usable(claimed->id) && claimed->broken[0] && claimed->event->len == 0);
    else
        check_event(claimed);
    if (reading->list) {
        const cJSON *run = cJSON_GetArrayItem(reading->list, (int)reading->count);
        EXPECT(run);
        check_with_oracle(reading, claimed, run);
    }
    reading->count++;
}

static void check_ack(enum claim_kind kind, struct slice answer, const cJSON *tree)
{
    enum claim_verdict verdict = claim_acked(kind, answer);
    const cJSON *said = last_member(tree, kind == CLAIM_RUNS ? "ackedCount" : "acked");
    if (!tree)
        return;
    if (is_number(said))
        EXPECT(verdict == (is_truthy(said) && said->valuestring[1] != '-' ? CLAIM_OURS : CLAIM_NOT_OURS));
    else if (cJSON_IsBool(said))
        EXPECT(verdict == (cJSON_IsTrue(said) ? CLAIM_OURS : CLAIM_NOT_OURS));
    else if (!cJSON_IsString(said))
        EXPECT(verdict == CLAIM_UNSAID);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice answer = fuzz_input(data, size);
    enum claim_kind kind = fuzz_byte(&answer) & 1 ? CLAIM_NODE_RUNS : CLAIM_RUNS;
    struct buffer canonical = {0};
    struct error err = {0};
    /* The walk over the answer takes names as they are written. */
    bool comparable = !contains(answer, "\\u") && json_canonical(answer, &canonical, NULL) == 0;
    cJSON *tree = comparable ? tree_of(buffer_slice(&canonical)) : NULL;
    cJSON *list = last_member(tree, kind == CLAIM_RUNS ? "runs" : "nodeRuns");
    EXPECT(!comparable || tree);
    struct reading reading = {.kind = kind, .list = cJSON_IsArray(list) ? list : NULL};
    if (claim_read(kind, answer, check, &reading, &err) == 0)
        EXPECT(!tree || (cJSON_IsObject(tree) && reading.count == (size_t)cJSON_GetArraySize(reading.list)));
    else
        EXPECT(err.kind == PA_ERR_INVALID && err.message[0] && (!cJSON_IsObject(tree) || !reading.list));
    check_ack(kind, answer, tree);
    cJSON_Delete(tree);
    buffer_clear(&canonical);
    return 0;
}
