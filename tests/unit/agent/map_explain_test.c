/* Explanations in one process, so that sanitizers see them; tests/e2e/test_cli_map.py has the command. */
#include "agent/map/report.h"
#include "agent/map/show.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char EVENT[] =
    "{\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\","
    "\"agent\":true,\"synchronized\":true,\"url\":\"https://user:hunter22@x/"
    "a?b=1\"}},\"properties\":{\"n\":1}},"
    "\"headers\":{}}";

struct shown {
    struct buffer json, text;
};

static void explain(const char *file, const char *record, const char *response, struct shown *shown)
{
    struct buffer problems = {0}, warnings = {0};
    struct mappings *mappings = NULL;
    struct explained_response answer = {0};
    struct explanation explanation;
    char evaluating[16] = "";
    assert_int_equal(mappings_load(slice_of(file), &mappings, &problems, &warnings), 0);
    if (response)
        assert_int_equal(map_response_read(slice_of(response), &answer, NULL), 0);
    const struct explain_options options = {.mappings = mappings,
                                            .response = response ? &answer : NULL,
                                            .evaluating = evaluating,
                                            .evaluating_size = sizeof evaluating};
    explanation_make(&options, slice_of(record), &explanation);
    assert_false(explanation.out_of_memory);
    map_show_json(&explanation, &shown->json);
    map_show_text(&explanation, response != NULL, &shown->text);
    explanation_clear(&explanation);
    map_response_clear(&answer);
    mappings_free(mappings);
    buffer_clear(&warnings);
}

static void assert_says(struct shown *shown, const char *in_json, const char *in_text)
{
    if (!strstr(buffer_text(&shown->json), in_json))
        fail_msg("'%s' does not say '%s'", shown->json.ptr, in_json);
    if (!strstr(buffer_text(&shown->text), in_text))
        fail_msg("'%s' does not say '%s'", shown->text.ptr, in_text);
    buffer_clear(&shown->json);
    buffer_clear(&shown->text);
}

static void a_request_and_its_report_are_shown(void **state)
{
    (void)state;
    struct shown shown = {0};
    explain("[{\"enabled\":\".payload\"},{\"query\":{\"q\":\".payload.properties.n\"},\"headers\":{\"X-A\":"
            "\"\\\"v\\\"\"},"
            "\"body\":{\"e\":\"error(\\\"oh\\\")\"},\"report\":{\"link\":\".response.json\"}}]",
            EVENT, "{\"id\":1}", &shown);
    assert_says(&shown, "\"url\":\"https://***@x/a?b=1&q=1\"", "POST https://***@x/a?b=1&q=1");
}

static void whatever_the_event_is_something_is_shown(void **state)
{
    (void)state;
    static const char *const events[] = {
        "", "{", "[]", "{}", "{\"payload\":1}", "{\"changelogDestination\":{}}"};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        struct shown shown = {0};
        explain("[{\"url\":\".u\"}]", events[i], "text", &shown);
        assert_says(&shown, "\"request\":null", "No request");
    }
    struct shown shown = {0};
    explain("[]", EVENT, NULL, &shown);
    assert_says(&shown, "there is no mapping", "no mapping wants the event");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_and_its_report_are_shown),
        cmocka_unit_test(whatever_the_event_is_something_is_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
