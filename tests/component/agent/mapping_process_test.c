/* The mappings' process as the agent starts it: what the built-in mappings see of the environment. */
#include "agent/mapping_process.h"
#include "map/mapper.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct asked {
    struct buffer fields;
    bool answered;
};

static void answered(void *ctx, struct slice fields, const char *failure)
{
    struct asked *asked = ctx;
    buffer_append_slice(&asked->fields, fields);
    buffer_append_text(&asked->fields, failure ? failure : "");
    asked->answered = true;
}

/** A GitLab event names the variable that its trigger token is taken from. */
static void no_event_names_a_setting_as_its_trigger_token(void **state)
{
    (void)state;
    static char path[] = CONFIG_MAPPING_PATH, secret[] = "secret"; /* that process wipes them */
    static const char *const events[] = {
        "{\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\",\"groupName\":\"acme\","
        "\"projectName\":\"deploy\"}}}}",
        "{\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\",\"groupName\":\"PORT_CLIENT\","
        "\"projectName\":\"ID\"}}}}"};
    setenv("acme_deploy", "the-token", 1);
    setenv("PORT_CLIENT_ID", "the-token", 1);
    struct config config = {.mapping_path = path, .client_secret = {{secret, sizeof secret - 1}}};
    struct buffer problems = {0}, warnings = {0};
    struct mapper_options options = {0};
    bool from_file = true;
    assert_int_equal(mapping_process_start(&config, &options.process, &from_file, NULL, &problems, &warnings),
                     0);
    assert_false(from_file);
    uv_loop_t loop;
    uv_loop_init(&loop);
    options.loop = &loop;
    struct mapper *mapper = mapper_new(&options);
    assert_non_null(mapper);
    for (size_t i = 0; i < 2; i++) {
        struct asked asked = {0};
        assert_non_null(mapper_request(mapper, slice_of(events[i]), answered, &asked));
        while (!asked.answered)
            uv_run(&loop, UV_RUN_ONCE);
        bool given = memmem(asked.fields.ptr, asked.fields.len, "the-token", strlen("the-token")) != NULL;
        assert_int_equal(given, i == 0);
        buffer_clear(&asked.fields);
    }
    mapper_close(mapper, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_non_null(getenv("PORT_CLIENT_ID")); /* in that process alone */
    buffer_clear(&problems);
    buffer_clear(&warnings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_event_names_a_setting_as_its_trigger_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
