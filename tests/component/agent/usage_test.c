/* Wrong usage of the subcommands: each is told in one sentence that says what to write, and nothing is done.
 */
#include "command.h"

static int empty_environment(void **state)
{
    (void)state;
    clear_environment();
    return 0;
}

static void wrong_usage_is_told_with_what_to_write(void **state)
{
    (void)state;
    static const struct {
        int (*command)(int argc, char **argv);
        const char *words[5], *told;
    } cases[] = {
        {command_check, {"--request"}, "check: --request needs a destination; write --destination URL too"},
        {command_check, {"--timeout", "301"}, "'301' is not a whole number of seconds from 1 to 300"},
        {command_check, {"--timeout", "0"}, "'0' is not a whole number of seconds from 1 to 300"},
        {command_check, {"--output", "xml"}, "--output: 'xml' is neither text nor json"},
        {command_check, {"--timout", "1"}, "unknown option '--timout' (did you mean --timeout?)"},
        {command_check, {"all"}, "unexpected argument 'all'"},
        {command_map, {NULL}, "map: --event is missing; write --event FILE, or --events FILE"},
        {command_map, {"--kind", "both"}, "--kind: 'both' is neither run nor change-log"},
        {command_verify,
         {NULL},
         "--signature and --timestamp are missing; write both, or --event where FILE is a whole event"},
        {command_send, {"--topic"}, "send: the event is missing; write --template (sync, async, "},
        {command_send,
         {"--event", "-", "--template", "sync"},
         "--template and --event are both given; leave one of them out"},
        {command_send, {"--event", "-"}, "the destination is missing; write --to URL, or --topic"},
        {command_send, {"--event", "-", "--to"}, "--to needs a value"},
        {command_send, {"--event", "-", "--event", "-"}, "--event is given twice"},
        {command_events, {"--run", "a", "--last", "1"}, "--run and --last are both given"},
        {command_events, {"--last", "0"}, "--last: '0' is not a number from 1 to "},
        {command_events, {"--topic", "walks"}, "--topic: 'walks' is neither runs nor change-log"},
        {command_redeliver, {NULL}, "redeliver: the events are missing; write --run ID or --offsets P:A-B"},
        {command_redeliver,
         {"--run", "a", "--offsets", "0:1-2"},
         "--run and --offsets are both given; leave one of them out"},
        {command_redeliver, {"--run", ""}, "redeliver: --run is empty; write the run's ID"},
        {command_events, {"--run", ""}, "events: --run is empty; write the run's ID"},
        {command_dead_letters, {"replay", "--all", "--run", ""}, "--run is empty; write the run's ID"},
        {command_cancel, {""}, "cancel: the run's ID is missing; write port-agent cancel RUN_ID"},
        {command_redeliver, {"--offsets", "0:2-1"}, "--offsets: '0:2-1' is not P:A-B; write 0:1200-1250"},
        {command_redeliver, {"--run", "a", "--output", "b"}, "--output: 'b' is neither text nor json"},
        {command_dead_letters,
         {"replay"},
         "dead-letters replay: the letters are missing; write their IDs, or --all"},
        {command_dead_letters,
         {"replay", "--all", "1"},
         "--all and IDs are both given; leave one of them out"},
        {command_listen, {"--port", "65536"}, "--port: '65536' is not a port; write 8080"},
        {command_listen, {"--delay", "1s"}, "--delay: '1s' is not a number of milliseconds up to "},
        {command_listen,
         {"--forward", "http://a", "--respond", "200"},
         "--forward and --respond are both given"},
        {command_listen, {"--respond", "ok"}, "--respond: 'ok' is not an answer; write 503 or 200:"},
        {command_cancel, {NULL}, "cancel: the run's ID is missing; write port-agent cancel RUN_ID"},
        {command_cancel, {"a", "b"}, "one argument too many: 'b'"},
        {command_run_status,
         {NULL},
         "run-status: the run's ID is missing; write port-agent run-status RUN_ID"},
        {command_completion, {NULL}, "completion: the shell is missing; write bash, zsh or fish"},
        {command_completion,
         {"csh"},
         "completion: 'csh' is not known (did you mean zsh?); write bash, zsh or fish"},
        {command_man, {"women"}, "man: there is no command 'women'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *words = cases[i].words;
        assert_int_equal(run_command(cases[i].command, words[0], words[1], words[2], words[3], words[4]),
                         EXIT_CODE_USAGE);
        assert_has(complained, cases[i].told);
        assert_has(complained, " --help'\n");
        assert_ptr_equal(strchr(complained, '\n'), complained + strlen(complained) - 1);
        assert_string_equal(printed, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(wrong_usage_is_told_with_what_to_write, empty_environment),
    };
    return cmocka_run_group_tests_name("wrong usage", tests, enter_folder, leave_folder);
}
