/* `port-agent map`: files in, explanations out, each event in a process of its own. */
#include "command.h"

static const char EVENT[] = "{\"action\":\"a\",\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{"
                            "\"invocationMethod\":{\"type\":"
                            "\"WEBHOOK\",\"agent\":true,\"synchronized\":true,\"url\":\"https://"
                            "user:hunter22@x/a\"}},\"properties\":{\"n\":1}},"
                            "\"headers\":{}}";

static int write_event(void **state)
{
    (void)state;
    static bool under_valgrind = false;
    under_valgrind |= getenv("TEST_UNDER_VALGRIND") != NULL;
    clear_environment();
    if (under_valgrind) /* where half a second of a processor is little */
        setenv("MAPPING_TIMEOUT", "60", 1);
    write_file("event.json", EVENT);
    unlink("control_the_payload_config.json");
    return 0;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow memory counts as data */
static void without_a_file_the_built_in_mappings_show_the_event(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_map, "--event", "event.json", NULL), EXIT_CODE_OK);
    assert_has(
        printed,
        "── event.json, mapped by built-in mappings (there is no ./control_the_payload_config.json)\n");
    assert_has(printed, "POST https://***@x/a");
    assert_string_equal(complained, "");
}

static void the_file_of_the_settings_is_used_and_named(void **state)
{
    (void)state;
    write_file("control_the_payload_config.json", "[{\"url\":\"\\\"http://mapped/\\\"\",\"urll\":\".\"}]");
    assert_int_equal(run_command(command_map, "--event", "event.json", NULL), EXIT_CODE_OK);
    assert_has(printed, "mapped by ./control_the_payload_config.json\n");
    assert_has(printed, "POST http://mapped/");
    assert_has(complained, "urll");
    write_file("other.json", "[{\"method\":\"\\\"PUT\\\"\"}]");
    setenv("CONTROL_THE_PAYLOAD_CONFIG_PATH", "other.json", 1);
    assert_int_equal(run_command(command_map, "--event", "event.json", NULL), EXIT_CODE_OK);
    assert_has(printed, "PUT https://***@x/a");
    write_file("third.json", "[{\"method\":\"\\\"GET\\\"\"}]");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--mapping", "third.json", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "GET https://***@x/a");
}

static void an_answer_shows_the_report(void **state)
{
    (void)state;
    write_file("answer.json", "{\"statusCode\":201,\"headers\":{\"X-Id\":\"7\"},\"json\":{\"id\":7}}");
    write_file("m.json", "[{\"report\":{\"link\":\".response.headers[\\\"X-Id\\\"]\",\"status\":\"null\"}}]");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--mapping", "m.json", "--response",
                                 "answer.json", "--output", "json", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "\"link\":\"7\"");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--mapping", "m.json", "--response",
                                 "answer.json", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "link");
    write_file("answer.json", "{\"statusCode\":\"201\"}");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--response", "answer.json", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(complained, "port-agent map: --response: ");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--response", "nowhere", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(complained, "'nowhere' cannot be read");
}

static void each_line_of_a_file_of_events_is_one(void **state)
{
    (void)state;
    struct buffer lines = {0};
    buffer_appendf(&lines, "%s\n\n{\"no\":\"event\"}\n", EVENT);
    write_file("lines", buffer_text(&lines));
    buffer_clear(&lines);
    assert_int_equal(run_command(command_map, "--events", "lines", "--output", "text", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(printed, "── lines, line 1, ");
    assert_has(printed, "\n── lines, line 3, ");
    assert_has_not(printed, "line 2");
    assert_int_equal(run_command(command_map, "--events", "nowhere", NULL), EXIT_CODE_FAILURE);
    assert_has(complained, "port-agent map: --events: 'nowhere' cannot be read");
    assert_int_equal(run_command(command_map, "--events", "/", NULL), EXIT_CODE_FAILURE);
    assert_has(complained, "port-agent map: --events: '/' cannot be read: Is a directory");
    write_file("lines", "\n");
    assert_int_equal(run_command(command_map, "--events", "lines", NULL), EXIT_CODE_FAILURE);
    assert_has(complained, "port-agent map: --events: 'lines' is empty");
    setenv("RECORD_MAX_BYTES", "1024", 1);
    char words[1100];
    memset(words, 'x', sizeof words);
    words[sizeof words - 1] = '\0';
    write_file("lines", words);
    assert_int_equal(run_command(command_map, "--events", "lines", NULL), EXIT_CODE_FAILURE);
    assert_has(complained, "'lines' cannot be read: a line is longer than RECORD_MAX_BYTES");
    unsetenv("RECORD_MAX_BYTES");
    assert_int_equal(run_command(command_map, "--event", "nowhere", "--event", "event.json", NULL),
                     EXIT_CODE_FAILURE);
    assert_string_equal(printed, "");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--event", "event.json", NULL),
                     EXIT_CODE_OK);
    assert_has(printed, "\n\n── event.json");
}

static void an_evaluation_without_end_is_ended_and_told(void **state)
{
    (void)state;
    setenv("MAPPING_TIMEOUT", "0.1", 1);
    write_file("m.json", "[{\"method\":\"\\\"PUT\\\"\",\"body\":\"[range(1e15)]\"}]");
    assert_int_equal(
        run_command(command_map, "--event", "event.json", "--mapping", "m.json", "--output", "json", NULL),
        EXIT_CODE_FAILURE);
    assert_has(printed, "MAPPING_TIMEOUT");
}

static void the_kind_is_by_the_content_unless_it_is_given(void **state)
{
    (void)state;
    write_file("change.json",
               "{\"context\":{},\"changelogDestination\":{\"type\":\"WEBHOOK\",\"agent\":true,\"url\":"
               "\"http://change/\"}}");
    assert_int_equal(run_command(command_map, "--event", "change.json", NULL), EXIT_CODE_OK);
    assert_has(printed, "POST http://change/");
    assert_int_equal(run_command(command_map, "--event", "change.json", "--kind", "change-log", NULL),
                     EXIT_CODE_OK);
    assert_int_equal(run_command(command_map, "--event", "change.json", "--kind", "run", NULL),
                     EXIT_CODE_FAILURE);
}

#endif

static void what_is_wrong_with_settings_and_mappings_ends_it(void **state)
{
    (void)state;
    write_file("m.json", "[{\"url\":\"bad(\"}]");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--mapping", "m.json", NULL),
                     EXIT_CODE_CONFIG);
    assert_has(complained, "m.json: mapping 1, url:");
    assert_int_equal(run_command(command_map, "--event", "event.json", "--mapping", "nowhere", NULL),
                     EXIT_CODE_CONFIG);
    assert_has(complained, "nowhere");
    setenv("CONTROL_THE_PAYLOAD_CONFIG_PATH", "nowhere.json", 1);
    assert_int_equal(run_command(command_map, "--event", "event.json", NULL), EXIT_CODE_CONFIG);
    clear_environment();
    setenv("MAPPING_TIMEOUT", "soon", 1);
    assert_int_equal(run_command(command_map, "--event", "event.json", NULL), EXIT_CODE_CONFIG);
    assert_has(complained, "MAPPING_TIMEOUT");
}

static void wrong_words_are_told(void **state)
{
    (void)state;
    assert_int_equal(run_command(command_map, NULL), EXIT_CODE_USAGE);
    assert_has(complained, "--event is missing");
    assert_int_equal(run_command(command_map, "--event", "a", "--kind", "b", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "--kind: 'b' is neither run nor change-log");
    assert_int_equal(run_command(command_map, "--event", "a", "--output", "b", NULL), EXIT_CODE_USAGE);
    assert_has(complained, "--output: 'b' is neither text nor json");
    assert_int_equal(run_command(command_map, "--help", NULL), EXIT_CODE_OK);
    assert_has(printed, "Exit codes: 0 every event makes a request");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
        cmocka_unit_test_setup(without_a_file_the_built_in_mappings_show_the_event, write_event),
        cmocka_unit_test_setup(the_file_of_the_settings_is_used_and_named, write_event),
        cmocka_unit_test_setup(an_answer_shows_the_report, write_event),
        cmocka_unit_test_setup(each_line_of_a_file_of_events_is_one, write_event),
        cmocka_unit_test_setup(an_evaluation_without_end_is_ended_and_told, write_event),
        cmocka_unit_test_setup(the_kind_is_by_the_content_unless_it_is_given, write_event),
#endif
        cmocka_unit_test_setup(what_is_wrong_with_settings_and_mappings_ends_it, write_event),
        cmocka_unit_test_setup(wrong_words_are_told, write_event),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
