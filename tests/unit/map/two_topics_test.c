/* Mappings where two topics are two worlds: which events a mapping is for, and what events of people who may
 * write the one topic must not reach. */
#include "../edge.h"
#include "config/table.h"
#include "mappings.h"

static const char change_log[] = "{\"action\":\"UPDATE\",\"changelogDestination\":{\"agent\":true}}";
static const char run[] = "{\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":{"
                          "\"agent\":true,\"url\":\"http://x\"}},\"properties\":{\"a\":1}}}";

static void a_mapping_may_say_for_which_events_it_is(void **state)
{
    (void)state;
    static const char file[] =
        "[{\"events\":[\"run\"],\"url\":\"\\\"r\\\"\"},{\"events\":[\"change-log\"],\"url\":"
        "\"\\\"c\\\"\"}]";
    assert_request(file, run, "i 1\nu r\n");
    assert_request(file, change_log, "i 2\nu c\n");
    assert_request("[{\"events\":[\"run\",\"change-log\"]}]", change_log, "i 1\n");
    assert_request("[{\"events\":[\"run\"]}]", change_log, "x \n");
    assert_problem("[{\"events\":[]}]", "mapping 1, events: is array; write a list of \"run\" and");
    assert_problem("[{\"events\":\"run\"}]", "mapping 1, events: is string; write a list");
    assert_problem("[{\"events\":[\"runs\"]}]", "mapping 1, events: is string; write a list");
    assert_problem("[{\"events\":[1]}]", "mapping 1, events: is number; write a list");
}

static void mappings_with_powers_that_do_not_say_so_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool named;
    } cases[] = {{"[{\"url\":\"env.URL\"}]", true},
                 {"[{\"headers\":{\"A\":\"\\\"Bearer \\\" + $ENV.T\"}}]", true},
                 {"[{\"body\":{\"a\":{\"b\":[\"env[\\\"X\\\"]\"]}}}]", true},
                 {"[{\"report\":{\"link\":\"(env|.HOST)\"}}]", true},
                 {"[{\"body\":\"{a:env.HOST}.a\"}]", true},
                 {"[{\"fieldsToDecryptPaths\":[\"a\"]}]", true},
                 {"[{\"fieldsToDecryptPaths\":[]}]", false},
                 {"[{\"events\":[\"run\"],\"url\":\"env.URL\"}]", false},
                 {"[{\"events\":[\"change-log\",\"run\"],\"url\":\"env.URL\"}]", false},
                 {"[{\"body\":{\"env\":\".payload.env\",\"b\":\".environment\"}}]", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mappings *mappings = NULL;
        struct buffer problems = {0}, warnings = {0};
        assert_int_equal(mappings_load(edge_of(cases[i].file), &mappings, &problems, &warnings), 0);
        assert_int_equal(warnings.len, 0);
        mappings_warn_of_powers(mappings, &warnings);
        if ((strstr(buffer_text(&warnings), "mapping 1: reads env or decrypts") != NULL) != cases[i].named)
            fail_msg("%s: %s", cases[i].file, buffer_text(&warnings));
        mappings_free(mappings);
        buffer_clear(&problems);
        buffer_clear(&warnings);
    }
}

static void what_the_process_may_forget_is_certain(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool reads, decrypts;
    } cases[] = {{"[{\"url\":\".a\"},{\"body\":{\"a\":[\"{a:env.X}\"]}}]", true, false},
                 {"[{\"report\":{\"link\":\"$ENV.X\"}}]", true, false},
                 {"[{\"enabled\":\"import \\\"a\\\" as a; a::x\"}]", true, false},
                 {"[{\"url\":\"\\u0065nv.X\"}]", true, false},
                 {"[{\"fieldsToDecryptPaths\":[\"a\"]}]", false, true},
                 {"[{\"fieldsToDecryptPaths\":[]}]", false, false},
                 {"[{\"body\":{\"env\":\".payload\"}},{\"url\":\".url\"}]", false, false},
                 {"[]", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mappings *mappings = NULL;
        struct buffer problems = {0}, warnings = {0};
        /* A module may not be found; whether it is named is what matters. */
        if (mappings_load(edge_of(cases[i].file), &mappings, &problems, &warnings) == 0) {
            assert_int_equal(mappings_read_environment(mappings), cases[i].reads);
            assert_int_equal(mappings_decrypt(mappings), cases[i].decrypts);
            mappings_free(mappings);
        }
        buffer_clear(&problems);
        buffer_clear(&warnings);
    }
}

static void nothing_of_a_change_log_event_is_decrypted(void **state)
{
    (void)state;
    assert_request("[{\"fieldsToDecryptPaths\":[\"secret\"],\"body\":\".secret\"}]",
                   "{\"secret\":\"c2hvcnQ=\",\"changelogDestination\":{}}", "i 1\nb \"c2hvcnQ=\"\n");
}

static void a_body_that_would_pass_as_another_run_is_not_sent(void **state)
{
    (void)state;
    static const char refused[] =
        "i 1\nf mapping 1: the body would pass as a run for an agent, and it is not the event's own\n";
    static const char own[] = "{\"body\":{\"context\":\".context\",\"payload\":\".payload\"}}";
    static const char *const others[] = {
        "[{\"body\":\".context.runId = \\\"r_2\\\"\"}]", "[{\"body\":\"del(.context)\"}]",
        "[{\"body\":\".payload.action.invocationMethod.url = \\\"http://y\\\"\"}]",
        "[{\"body\":\".payload.action.invocationMethod.agent = 1\"}]"};
    struct buffer file = {0};
    buffer_appendf(&file, "[%s]", own);
    assert_request(buffer_text(&file), run,
                   "i 1\nb {\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":{"
                   "\"agent\":true,\"url\":\"http://x\"}},\"properties\":{\"a\":1}}}\n");
    buffer_clear(&file);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_request(others[i], run, refused);
    assert_request("[{\"body\":{\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":true}}}}}]",
                   change_log, refused);
    assert_request("[{\"body\":\".payload.action.name = 1\"}]", run, /* whose method is the event's */
                   "i 1\nb {\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":{"
                   "\"agent\":true,\"url\":\"http://x\"},\"name\":1},\"properties\":{\"a\":1}}}\n");
    assert_request(
        "[{\"body\":\".payload.action.invocationMethod.agent = false | .context.runId = 1\"}]", run,
        "i 1\nb {\"context\":{\"runId\":1},\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":"
        "false,\"url\":\"http://x\"}},\"properties\":{\"a\":1}}}\n");
}

/** A project's trigger token is the value of the variable that its name leads to. */
static bool gives_token(const struct mappings *mappings, const char *variable)
{
    struct buffer event = {0}, fields = {0}, text = {0};
    const char *last = strrchr(variable, '_');
    buffer_appendf(
        &event,
        "{\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\",\"groupName\":\"%.*s\","
        "\"projectName\":\"%s\"}}}}",
        (int)(last - variable), variable, last + 1);
    mappings_request(mappings, buffer_slice(&event), SLICE_LITERAL(SECRET), NULL, &fields);
    write_fields(buffer_slice(&fields), &text);
    bool given = strstr(buffer_text(&text), "\"token\":\"the-token\"") != NULL;
    buffer_clear(&event);
    buffer_clear(&fields);
    buffer_clear(&text);
    return given;
}

static void a_trigger_token_is_none_of_the_agents_other_secrets(void **state)
{
    (void)state;
    static const char *const projects[] = {"acme_deploy", "acme_tools_deploy"};
    static const char *const others[] = {
        "AWS_SECRET_ACCESS_KEY",          "AZURE_CLIENT_SECRET", "https_proxy",
        "GOOGLE_APPLICATION_CREDENTIALS", "FTP_PROXY",           "PORT_CLIENT_SECRET_FILE"};
    for (size_t i = 0; i < sizeof projects / sizeof *projects; i++)
        setenv(projects[i], "the-token", 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        setenv(others[i], "the-token", 1);
    for (size_t i = 0; i < config_setting_count; i++)
        setenv(config_settings[i].name, "the-token", 1);
    mappings_builtin_hide_variables(config_hide);
    struct mappings *mappings = load(mappings_builtin);
    for (size_t i = 0; i < sizeof projects / sizeof *projects; i++)
        if (!gives_token(mappings, projects[i]))
            fail_msg("%s", projects[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (gives_token(mappings, others[i]))
            fail_msg("%s", others[i]);
    for (size_t i = 0; i < config_setting_count; i++)
        if (strchr(config_settings[i].name, '_') && gives_token(mappings, config_settings[i].name))
            fail_msg("%s is a setting", config_settings[i].name);
    mappings_free(mappings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_may_say_for_which_events_it_is),
        cmocka_unit_test(mappings_with_powers_that_do_not_say_so_are_named),
        cmocka_unit_test(what_the_process_may_forget_is_certain),
        cmocka_unit_test(nothing_of_a_change_log_event_is_decrypted),
        cmocka_unit_test(a_body_that_would_pass_as_another_run_is_not_sent),
        cmocka_unit_test(a_trigger_token_is_none_of_the_agents_other_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
