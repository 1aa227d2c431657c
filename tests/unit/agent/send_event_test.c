/* Events that `send` makes: what is set stands where it should, everything else stays byte for byte, and the
 * signature is one that the agent accepts. */
#include "agent/send/event.h"
#include "agent/send/json_set.h"
#include "event/signature.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void sets(const char *json, const char *path, const char *value, const char *gives)
{
    struct buffer text = {0};
    struct error err = {0};
    buffer_append_text(&text, json);
    int failed = json_set(&text, path, slice_of(value), &err);
    const char *got = failed ? err.message : buffer_text(&text);
    if (strcmp(got, gives) != 0)
        fail_msg("%s = %s in %s gives %s, not %s", path, value, json, got, gives);
    buffer_clear(&text);
}

static void a_value_is_set_byte_for_byte(void **state)
{
    (void)state;
    sets("{\"a\":1.0,\"b\":{\"c\":[1,2]}}", "b.c.1", "9007199254740993",
         "{\"a\":1.0,\"b\":{\"c\":[1,9007199254740993]}}");
    sets("{}", "a", "1", "{\"a\":1}");
    sets("{\"a\":{}}", "a.b.c", "\"x\"", "{\"a\":{\"b\":{\"c\":\"x\"}}}");
    sets("{\"a\":null,\"z\":0}", "a.b", "true", "{\"a\":{\"b\":true},\"z\":0}");
    sets("{\"a\":{\"b\":2}}", "a", "[]", "{\"a\":[]}");
    sets("{\"\\\"\":1}", "\"", "2", "{\"\\\"\":2}");
    sets("{\"a\":[1]}", "a.1", "2", "'1' has no place: the list is not that long");
    sets("{\"a\":[1]}", "a.b", "2", "'b' has no place: the list is not that long");
    sets("{\"a\":\"text\"}", "a.b", "2", "'b' has no place: what is before it is no object");
}

static int make(const char *template, const char *const *wishes, size_t count, const char *url,
                struct event *event, struct error *err)
{
    struct buffer in = {0}, out = {0};
    enum event_kind kind;
    const struct event_wishes wish = {
        .url = url, .sets = wishes, .set_count = count, .secret = SLICE_LITERAL("secret"), .now_s = 1000};
    if (!event_template(template, &in))
        buffer_append_text(&in, template);
    int failed = event_make(buffer_slice(&in), &wish, &out, &kind, err);
    if (!failed)
        failed = event_parse(event, kind, buffer_slice(&out), err);
    buffer_clear(&in);
    buffer_clear(&out);
    return failed;
}

static void every_template_is_an_event_that_the_agent_believes(void **state)
{
    (void)state;
    static const char *const names[] = {"sync", "async", "change-log", "gitlab", "node-run"};
    struct signer *signer = signer_new(SLICE_LITERAL("secret"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct event event;
        struct error err = {0};
        event_init(&event);
        if (make(names[i], NULL, 0, "http://here/x", &event, &err) != 0)
            fail_msg("%s: %s", names[i], err.message);
        bool change_log = event.kind == EVENT_CHANGE_LOG;
        assert_true(event.invocation.agent && slice_equal_text(event.invocation.url, "http://here/x"));
        assert_int_equal(change_log, strcmp(names[i], "change-log") == 0);
        if (!change_log)
            assert_int_equal(signer_verify(signer, &event), SIGNATURE_VALID);
        assert_int_equal(run_id_is_usable(event.run_id), !change_log);
        assert_int_equal(run_id_is_node_run(event.run_id), strcmp(names[i], "node-run") == 0);
        assert_int_equal(event.invocation.synchronized,
                         !strcmp(names[i], "sync") || !strcmp(names[i], "node-run"));
        event_clear(&event);
    }
    signer_free(signer);
    struct buffer none = {0};
    assert_false(event_template("else", &none));
}

static void an_event_of_ones_own_is_changed_and_signed_anew(void **state)
{
    (void)state;
    static const char own[] =
        "{\"payload\": {\"action\": {\"invocationMethod\": {\"agent\": true}}, \"n\": 1.0},"
        "\"headers\": {\"X-Port-Signature\": \"old\", \"x\": 1}}";
    static const char *const wishes[] = {"payload.title=two words", "payload.n=2.50"};
    struct event event;
    struct error err = {0};
    event_init(&event);
    assert_int_equal(make(own, wishes, 2, NULL, &event, &err), 0);
    assert_string_equal(
        buffer_text(&event.payload),
        "{\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":true}},\"n\":2.50,\"title\":"
        "\"two words\"},\"headers\":{\"x\":1}}");
    struct signer *signer = signer_new(SLICE_LITERAL("secret"));
    assert_int_equal(signer_verify(signer, &event), SIGNATURE_VALID);
    signer_free(signer);
    event_clear(&event);
}

static void what_is_no_event_is_told(void **state)
{
    (void)state;
    static const char *const wishes[] = {"nothing"};
    struct event event;
    struct error err = {0};
    event_init(&event);
    assert_int_equal(make("{}", NULL, 0, NULL, &event, &err), PA_ERR_INVALID);
    assert_non_null(strstr(err.message, "neither payload.action.invocationMethod nor changelogDestination"));
    assert_int_equal(make("no JSON", NULL, 0, NULL, &event, &err), PA_ERR_INVALID);
    assert_int_equal(make("sync", wishes, 1, NULL, &event, &err), PA_ERR_INVALID);
    assert_non_null(strstr(err.message, "--set: 'nothing' is not path=value"));
    event_clear(&event);
}

static void each_part_of_a_path_has_a_name(void **state)
{
    (void)state;
    static const char *const whole[] = {"a=1", "a.b=", "a.b=c=d", "a.0.b=x.y", "a= .. "};
    static const char *const broken[] = {"", "a", "=1", ".=1", "a.=1", ".a=1", "a..b=1", "a.b", "..=1"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_true(event_wish_is_whole(whole[i]));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_false(event_wish_is_whole(broken[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_set_byte_for_byte),
        cmocka_unit_test(every_template_is_an_event_that_the_agent_believes),
        cmocka_unit_test(an_event_of_ones_own_is_changed_and_signed_anew),
        cmocka_unit_test(what_is_no_event_is_told),
        cmocka_unit_test(each_part_of_a_path_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
