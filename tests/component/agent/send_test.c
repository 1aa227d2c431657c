/* `port-agent send` where it never comes to a webhook. */
#include "command.h"

static int set_secret(void **state)
{
    (void)state;
    clear_environment();
    setenv("PORT_CLIENT_SECRET", "secret", 1);
    return 0;
}

static int send_file(const char *path)
{
    return run_command(command_send, "--event", path, "--to", "http://127.0.0.1:1", NULL);
}

static void a_file_that_is_no_event_is_named(void **state)
{
    (void)state;
    write_file("bad.json", "{");
    assert_int_equal(send_file("bad.json"), EXIT_CODE_FAILURE);
    assert_string_equal(complained, "port-agent send: bad.json: not JSON: member name expected at byte 1\n");
    write_file("empty.json", "");
    assert_int_equal(send_file("empty.json"), EXIT_CODE_FAILURE);
    assert_string_equal(complained, "port-agent send: empty.json: not JSON: it is empty\n");
    write_file("other.json", "{\"a\":1}");
    assert_int_equal(send_file("other.json"), EXIT_CODE_FAILURE);
    assert_has(complained, "port-agent send: other.json: it is no event: ");
    assert_string_equal(printed, "");
}

#if defined(__SANITIZE_ADDRESS__) /* its shadow memory counts as data: no evaluator begins */
static void that_nothing_can_map_the_event_is_told_at_once(void **state)
{
    (void)state;
    write_file("mapping.json", "[{}]");
    setenv("CONTROL_THE_PAYLOAD_CONFIG_PATH", "mapping.json", 1);
    setenv("MAPPING_MAX_MEMORY", "4MiB", 1);
    assert_int_equal(run_command(command_send, "--template", "sync", "--to", "http://127.0.0.1:1", NULL),
                     EXIT_CODE_FAILURE);
    assert_has(printed, "not sent: the process that evaluates mappings cannot work: it ");
    assert_has_not(printed, "Port would be told");
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_file_that_is_no_event_is_named, set_secret),
#if defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test_setup(that_nothing_can_map_the_event_is_told_at_once, set_secret),
#endif
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
