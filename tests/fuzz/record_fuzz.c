/* The record: its walk, its byte-level cutting and its canonical form, beside an oracle that does the same
 * slowly on a tree built with cJSON.
 *
 * Input: a byte whose lowest bit is the kind, then the record. */
#include "event/event.h"
#include "tree.h"
#include "json/canonical.h"

static bool is_signature_name(const char *name)
{
    return strcmp(name, "X-Port-Signature") == 0 || strcmp(name, "X-Port-Timestamp") == 0;
}

static struct slice canonical_of(struct slice json, struct buffer *out)
{
    EXPECT(json_canonical(json, out, NULL) == 0);
    return buffer_slice(out);
}

/** What came out is canonical, and has nothing left to cut. */
static void check_payload(enum event_kind kind, const struct event *event)
{
    struct slice payload = buffer_slice(&event->payload);
    struct buffer again = {0};
    struct event second;
    EXPECT(slice_equal(canonical_of(payload, &again), payload));
    buffer_clear(&again);
    event_init(&second);
    EXPECT(event_parse(&second, kind, payload, NULL) == 0);
    EXPECT(slice_equal(buffer_slice(&second.payload), payload));
    EXPECT(!second.has_signature_member && !second.has_timestamp_member);
    EXPECT(slice_equal(second.run_id, event->run_id) && slice_equal(second.action, event->action));
    EXPECT(slice_equal(second.invocation.url, event->invocation.url));
    EXPECT(second.invocation.agent == event->invocation.agent);
    event_clear(&second);
}

/* Without escapes and signatures the canonical form is the record without its blanks: numbers as they came.
 */
static void check_bytes(struct slice record, const struct event *event)
{
    struct slice payload = buffer_slice(&event->payload);
    if (contains(record, "\\") || contains(record, "headers"))
        return;
    char *text = slice_to_text(record);
    cJSON_Minify(text);
    EXPECT(slice_equal_text(payload, text));
    free(text);
}

/* The oracle */

static void cut_signatures(cJSON *root)
{
    for (cJSON *member = root->child; member; member = member->next) {
        cJSON *next;
        if (strcmp(member->string, "headers") != 0 || !cJSON_IsObject(member))
            continue;
        for (cJSON *header = member->child; header; header = next) {
            next = header->next;
            if (is_signature_name(header->string))
                cJSON_Delete(cJSON_DetachItemViaPointer(member, header));
        }
    }
}

static const cJSON *invocation_of(enum event_kind kind, const cJSON *root)
{
    if (kind == EVENT_CHANGE_LOG)
        return last_member(root, "changelogDestination");
    return last_member(last_member(last_member(root, "payload"), "action"), "invocationMethod");
}

static void check_text(struct slice text, const cJSON *expected)
{
    if (cJSON_IsString(expected))
        EXPECT(!slice_is_null(text) && slice_equal_text(text, expected->valuestring));
    else
        EXPECT(slice_is_null(text));
}

/** As Python has it. */
static bool is_truthy(const cJSON *value)
{
    if (cJSON_IsNumber(value))
        return value->valuedouble != 0;
    if (cJSON_IsString(value))
        return value->valuestring[0] != '\0';
    return cJSON_IsTrue(value) || ((cJSON_IsArray(value) || cJSON_IsObject(value)) && value->child);
}

static void check_fields(enum event_kind kind, const struct event *event, const cJSON *root)
{
    const cJSON *invocation = invocation_of(kind, root);
    EXPECT(event->invocation.present == (bool)cJSON_IsObject(invocation));
    EXPECT(event->invocation.agent == is_truthy(last_member(invocation, "agent")));
    EXPECT(event->invocation.synchronized == is_truthy(last_member(invocation, "synchronized")));
    check_text(event->invocation.type, last_member(invocation, "type"));
    check_text(event->invocation.method, last_member(invocation, "method"));
    check_text(event->invocation.url, last_member(invocation, "url"));
    check_text(event->run_id, last_member(last_member(root, "context"), "runId"));
    check_text(event->action, last_member(root, "action"));
    const cJSON *timestamp = last_member(last_member(root, "headers"), "X-Port-Timestamp");
    EXPECT(slice_is_null(event->timestamp) == !(cJSON_IsString(timestamp) || cJSON_IsNumber(timestamp)));
}

/** cJSON has its own limits: no lone surrogates, no NUL in a text, no number over 63 characters. */
static bool comparable(struct slice record)
{
    return !contains(record, "\\u0000") && !contains(record, "\\ud") && !contains(record, "\\uD");
}

static bool has_long_number(struct slice record)
{
    size_t run = 0;
    for (size_t i = 0; i < record.len && run < 60; i++)
        run = strchr("0123456789+-.eE", record.ptr[i]) && record.ptr[i] ? run + 1 : 0;
    return run >= 60;
}

static void check_tree(enum event_kind kind, struct slice record, const struct event *event)
{
    if (!comparable(record) || has_long_number(record))
        return;
    cJSON *expected = cJSON_ParseWithLength(record.ptr, record.len);
    cJSON *got = cJSON_ParseWithLength(event->payload.ptr, event->payload.len);
    EXPECT(expected && got);
    check_fields(kind, event, expected);
    cut_signatures(expected);
    while (kind == EVENT_RUN && slice_equal_text(event->invocation.type, "GITLAB") &&
           cJSON_GetObjectItemCaseSensitive(expected, "headers")) /* each of them */
        cJSON_DeleteItemFromObjectCaseSensitive(expected, "headers");
    char *expected_text = cJSON_PrintUnformatted(expected), *got_text = cJSON_PrintUnformatted(got);
    EXPECT(expected_text && got_text && strcmp(expected_text, got_text) == 0);
    cJSON_free(expected_text);
    cJSON_free(got_text);
    cJSON_Delete(expected);
    cJSON_Delete(got);
}

static bool is_utf8(const char *text)
{
    for (size_t left = strlen(text), step; left > 0; text += step, left -= step)
        if ((step = utf8_sequence(text, left)) == 0)
            return false;
    return true;
}

static unsigned depth_of(const cJSON *value)
{
    unsigned deepest = 0;
    for (const cJSON *child = value->child; child; child = child->next) {
        unsigned depth = depth_of(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return cJSON_IsObject(value) || cJSON_IsArray(value) ? deepest + 1 : 0;
}

/** The other way round: what cJSON prints is JSON in the canonical form, so it is accepted and kept. */
static void check_printed(enum event_kind kind, struct slice record)
{
    cJSON *root = cJSON_ParseWithLength(record.ptr, record.len);
    char *printed = cJSON_IsObject(root) ? cJSON_PrintUnformatted(root) : NULL;
    if (printed && is_utf8(printed) && depth_of(root) <= JSON_MAX_DEPTH) {
        struct event event;
        event_init(&event);
        struct error err = {0};
        int failed = event_parse(&event, kind, slice_of(printed), &err);
        bool twice = failed && strstr(err.message, "comes twice");
        EXPECT(!failed || twice);
        if (!failed && !slice_equal_text(event.invocation.type, "GITLAB")) {
            cut_signatures(root);
            char *expected = cJSON_PrintUnformatted(root);
            EXPECT(expected && slice_equal_text(buffer_slice(&event.payload), expected));
            cJSON_free(expected);
        }
        event_clear(&event);
    }
    cJSON_free(printed);
    cJSON_Delete(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice record = fuzz_input(data, size);
    enum event_kind kind = fuzz_byte(&record) & 1 ? EVENT_CHANGE_LOG : EVENT_RUN;
    struct event event;
    struct error err = {0};
    event_init(&event);
    if (event_parse(&event, kind, record, &err) == 0) {
        EXPECT(event.payload.len <= record.len);
        check_payload(kind, &event);
        check_bytes(record, &event);
        check_tree(kind, record, &event);
    } else {
        EXPECT(err.kind == PA_ERR_INVALID && err.message[0] != '\0');
    }
    check_printed(kind, record);
    event_clear(&event);
    return 0;
}
