/* See event.h. */
#include "event.h"
#include "base/near.h"
#include "event/signature.h"
#include "json_set.h"
#include "json/canonical.h"
#include "json/members.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { RUN_ID_RANDOM = 12 };

#define TRIGGER                                                                                      \
    "\"trigger\":{\"by\":{\"orgId\":\"org_laptop\",\"userId\":\"auth0|laptop\",\"user\":{\"email\":" \
    "\"you@example.com\"}},\"origin\":\"UI\",\"at\":\"2026-01-13T15:20:16.641Z\"},"
#define RUN_HEAD                                                                                         \
    "{\"action\":\"create_vm\",\"resourceType\":\"run\",\"status\":\"TRIGGERED\"," TRIGGER               \
    "\"context\":{\"entity\":\"e_1\",\"blueprint\":\"vm\",\"runId\":\"\"},\"payload\":{\"entity\":null," \
    "\"action\":{\"identifier\":\"create_vm\",\"invocationMethod\":"
#define RUN_TAIL                                                                    \
    ",\"trigger\":\"CREATE\"},\"properties\":{\"region\":\"eu-west-1\",\"cpu\":4}," \
    "\"censoredProperties\":[]},\"headers\":{}}"
#define WEBHOOK(synchronized)                                             \
    "{\"type\":\"WEBHOOK\",\"agent\":true,\"synchronized\":" synchronized \
    ",\"method\":\"POST\",\"url\":\"http://localhost:8080/\"}"

/** The id's first letters, in `run`; NULL: it has none. */
static const struct {
    const char *name, *run, *json;
} TEMPLATES[] = {
    {"sync", "r_", RUN_HEAD WEBHOOK("true") RUN_TAIL},
    {"async", "r_", RUN_HEAD WEBHOOK("false") RUN_TAIL},
    {"change-log", NULL,
     "{\"action\":\"UPDATE\",\"resourceType\":\"entity\",\"status\":\"SUCCESS\"," TRIGGER
     "\"context\":{\"entity\":\"e_1\",\"blueprint\":\"vm\"},\"diff\":{\"before\":{\"identifier\":\"e_1\","
     "\"properties\":{\"cpu\":2}},\"after\":{\"identifier\":\"e_1\",\"properties\":{\"cpu\":4}}},"
     "\"changelogDestination\":{\"type\":\"WEBHOOK\",\"agent\":true,\"url\":\"http://localhost:8080/\"}}"},
    {"gitlab", "r_",
     RUN_HEAD "{\"type\":\"GITLAB\",\"agent\":true,\"projectName\":\"project\",\"groupName\":\"group\","
              "\"defaultRef\":\"main\",\"omitPayload\":false,\"omitUserInputs\":false}" RUN_TAIL},
    {"node-run", "wfnr_",
     "{\"context\":{\"runId\":\"\"},\"payload\":{\"action\":{\"invocationMethod\":" WEBHOOK(
         "true") "}},\"headers\":{}}"},
};
enum { TEMPLATE_COUNT = sizeof TEMPLATES / sizeof *TEMPLATES };

const char event_template_names[] = "sync, async, change-log, gitlab or node-run";

/** "r_" and letters by chance, as a JSON string. */
static void append_run_id(struct buffer *out, const char *prefix)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab";
    unsigned char random[RUN_ID_RANDOM] = {0};
    (void)!getrandom(random, sizeof random, 0); /* the same id twice does no harm */
    buffer_appendf(out, "\"%s", prefix);
    for (size_t i = 0; i < sizeof random; i++)
        buffer_append_char(out, letters[random[i] & 63]);
    buffer_append_char(out, '"');
}

bool event_template(const char *name, struct buffer *out)
{
    size_t i = 0;
    while (i < TEMPLATE_COUNT && strcmp(TEMPLATES[i].name, name) != 0)
        i++;
    if (i == TEMPLATE_COUNT)
        return false;
    struct buffer json = {0}, id = {0};
    buffer_append_text(&json, TEMPLATES[i].json);
    if (TEMPLATES[i].run) {
        append_run_id(&id, TEMPLATES[i].run);
        if (json_set(&json, "context.runId", buffer_slice(&id), NULL) != 0)
            out->failed = true;
    }
    buffer_append_slice(out, buffer_slice(&json));
    buffer_clear(&json);
    buffer_clear(&id);
    return true;
}

const char *event_template_near(const char *name)
{
    const char *names[TEMPLATE_COUNT + 1] = {NULL};
    for (size_t i = 0; i < TEMPLATE_COUNT; i++)
        names[i] = TEMPLATES[i].name;
    return near_word(name, names);
}

/* Changes */

bool event_wish_is_whole(const char *wish)
{
    const char *equals = strchr(wish, '=');
    size_t part = 0;
    for (const char *at = wish; equals && at < equals; at++) {
        if (*at == '.' && part == 0)
            return false;
        part = *at == '.' ? 0 : part + 1;
    }
    return equals && part > 0;
}

static int set_string(struct buffer *json, const char *path, const char *text, struct error *err)
{
    struct buffer value = {0};
    buffer_append_json_string(&value, slice_of(text));
    int failed = json_set(json, path, buffer_slice(&value), err);
    buffer_clear(&value);
    return failed;
}

/** "path=value". */
static int set_wish(struct buffer *json, const char *wish, struct error *err)
{
    const char *equals = strchr(wish, '=');
    struct buffer value = {0};
    if (!event_wish_is_whole(wish))
        return error_set(err, PA_ERR_INVALID, "--set: '%.100s' is not path=value", wish);
    char *path = slice_to_text((struct slice){wish, (size_t)(equals - wish)});
    int failed = path ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
    if (!failed && json_canonical(slice_of(equals + 1), &value, NULL) != 0)
        buffer_append_json_string(&value, slice_of(equals + 1));
    if (!failed)
        failed = json_set(json, path, buffer_slice(&value), err);
    free(path);
    buffer_clear(&value);
    return failed;
}

static bool is_change_log(struct slice json)
{
    return !slice_is_null(members_find(json, "changelogDestination"));
}

/** Whether it says where it goes to. */
static bool is_event(struct slice json)
{
    struct slice payload = members_find(json, "payload");
    struct slice action = slice_is_null(payload) ? payload : members_find(payload, "action");
    return is_change_log(json) ||
           (!slice_is_null(action) && !slice_is_null(members_find(action, "invocationMethod")));
}

static int change(struct buffer *json, const struct event_wishes *wishes, struct error *err)
{
    int failed = 0;
    if (wishes->url)
        failed = set_string(json,
                            is_change_log(buffer_slice(json)) ? "changelogDestination.url"
                                                              : "payload.action.invocationMethod.url",
                            wishes->url, err);
    for (size_t i = 0; i < wishes->set_count && !failed; i++)
        failed = set_wish(json, wishes->sets[i], err);
    return failed;
}

/* Signing */

/** `event` is parsed, so what was signed before is cut out of its payload. */
static int sign(struct event *event, const struct event_wishes *wishes, struct buffer *out, struct error *err)
{
    char signature[SIGNATURE_SIZE], seconds[24];
    struct signer *signer = signer_new(wishes->secret);
    int failed =
        signer ? signer_sign(signer, wishes->now_s, buffer_slice(&event->payload), signature) : PA_ERR_MEMORY;
    signer_free(signer);
    if (failed)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    snprintf(seconds, sizeof seconds, "%lld", (long long)wishes->now_s);
    failed = set_string(&event->payload, "headers.X-Port-Timestamp", seconds, err);
    if (!failed)
        failed = set_string(&event->payload, "headers.X-Port-Signature", signature, err);
    if (!failed)
        buffer_append_slice(out, buffer_slice(&event->payload));
    return failed;
}

int event_make(struct slice in, const struct event_wishes *wishes, struct buffer *out, enum event_kind *kind,
               struct error *err)
{
    struct buffer json = {0};
    struct event event;
    event_init(&event);
    int failed = json_canonical(in, &json, err);
    if (!failed && !is_event(buffer_slice(&json)))
        failed = error_set(err, PA_ERR_INVALID,
                           "it is no event: it has neither payload.action.invocationMethod nor "
                           "changelogDestination");
    if (!failed)
        failed = change(&json, wishes, err);
    *kind = is_change_log(buffer_slice(&json)) ? EVENT_CHANGE_LOG : EVENT_RUN;
    if (!failed)
        failed = event_parse(&event, *kind, buffer_slice(&json), err);
    if (!failed && *kind == EVENT_CHANGE_LOG)
        buffer_append_slice(out, buffer_slice(&json));
    else if (!failed)
        failed = sign(&event, wishes, out, err);
    if (!failed && out->failed)
        failed = error_set(err, PA_ERR_MEMORY, "out of memory");
    event_clear(&event);
    buffer_clear(&json);
    return failed;
}

bool event_is_gitlab(struct slice record)
{
    struct event event;
    event_init(&event);
    bool gitlab = event_parse(&event, EVENT_RUN, record, NULL) == 0 &&
                  slice_equal_text(event.invocation.type, "GITLAB");
    event_clear(&event);
    return gitlab;
}
