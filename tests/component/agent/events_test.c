/* Events written to a topic by `send --topic`, and shown by `events`: from librdkafka's mock cluster, with
 * the commands themselves. */
#include "../kafka/mock_cluster.h"
#include "agent/commands.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS = 12 };

static struct mock_cluster mock;
/** What a command wrote, and how it ended. */
static char out[16384], err[16384];
static int code;

static FILE *catch_descriptor(int fd, int *before)
{
    FILE *file = tmpfile();
    fflush(NULL);
    *before = dup(fd);
    dup2(fileno(file), fd);
    return file;
}

static void let_go(FILE *file, int fd, int before, char *text, size_t size)
{
    fflush(NULL);
    dup2(before, fd);
    close(before);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

/** Runs the command with these words, up to a NULL. */
static void call(int (*command)(int argc, char **argv), ...)
{
    char words[WORDS][128], *argv[WORDS + 1] = {NULL};
    int argc = 0, out_before, err_before;
    va_list arguments;
    va_start(arguments, command);
    for (const char *word; (word = va_arg(arguments, const char *)) != NULL; argc++) {
        snprintf(words[argc], sizeof words[argc], "%s", word);
        argv[argc] = words[argc];
    }
    va_end(arguments);
    FILE *out_file = catch_descriptor(STDOUT_FILENO, &out_before);
    FILE *err_file = catch_descriptor(STDERR_FILENO, &err_before);
    code = command(argc, argv);
    let_go(out_file, STDOUT_FILENO, out_before, out, sizeof out);
    let_go(err_file, STDERR_FILENO, err_before, err, sizeof err);
}

static void expect(int expected, const char *in_out, const char *in_err)
{
    if (code != expected || !strstr(out, in_out) || !strstr(err, in_err))
        fail_msg("exit code %d, not %d, or no '%s' or '%s' in:\n%s\n%s", code, expected, in_out, in_err, out,
                 err);
}

static int open_cluster(void **state)
{
    static const char *const topics[] = {"org_x.runs", "org_x.change.log"};
    (void)state;
    if (!mock_cluster_open(&mock, topics, 2))
        return -1;
    setenv("PORT_ORG_ID", "org_x", 1);
    setenv("PORT_CLIENT_SECRET", "a secret of a good length, forty bytes long", 1);
    setenv("USING_LOCAL_PORT_INSTANCE", "true", 1);
    setenv("KAFKA_CONSUMER_BOOTSTRAP_SERVERS", mock_cluster_address(&mock), 1);
    return 0;
}

static int close_cluster(void **state)
{
    (void)state;
    mock_cluster_close(&mock);
    return 0;
}

static void empty_topics_have_no_events(void **state)
{
    (void)state;
    call(command_events, NULL);
    expect(EXIT_CODE_OK, "", "no events");
    call(command_events, "--run", "r_none", NULL);
    expect(EXIT_CODE_FAILURE, "", "no event of this run");
}

static void what_is_sent_is_shown_and_verified(void **state)
{
    (void)state;
    call(command_send, "--template", "sync", "--set", "context.runId=r_first", "--topic", NULL);
    expect(EXIT_CODE_OK, "written to org_x.runs, partition 0, offset 0", "");
    call(command_send, "--template", "change-log", "--topic", "--output", "json", NULL);
    expect(EXIT_CODE_OK, "{\"topic\":\"org_x.change.log\",\"partition\":0,\"offset\":0,\"event\":{", "");
    call(command_events, "--output", "json", NULL);
    expect(EXIT_CODE_OK, "\"runId\":\"r_first\"", " r_first signature valid\n");
    expect(EXIT_CODE_OK, "\"X-Port-Signature\":\"v1,", "org_x.change.log[0]@0 ");
    expect(EXIT_CODE_OK, "\"changelogDestination\"", "carries no signature");
}

static void the_last_ones_and_those_of_a_run(void **state)
{
    (void)state;
    call(command_send, "--template", "async", "--set", "context.runId=r_second", "--topic", NULL);
    expect(EXIT_CODE_OK, "offset 1", "");
    call(command_events, "--last", "1", "--topic", "runs", NULL);
    expect(EXIT_CODE_OK, "\"runId\": \"r_second\"", "org_x.runs[0]@1 ");
    assert_null(strstr(out, "r_first"));
    call(command_events, "--run", "r_first", NULL);
    expect(EXIT_CODE_OK, "r_first", "signature valid");
    assert_null(strstr(out, "r_second"));
}

static void a_signature_that_is_not_valid_is_explained(void **state)
{
    (void)state;
    setenv("PORT_CLIENT_SECRET", "another secret that is also long enough for it", 1);
    call(command_events, "--last", "1", "--topic", "runs", NULL);
    expect(EXIT_CODE_OK, "r_second", "signature not valid\n  - no other reading of secret");
    unsetenv("PORT_CLIENT_SECRET");
    call(command_events, "--last", "1", "--topic", "runs", NULL);
    expect(EXIT_CODE_OK, "r_second", "signature not checked");
}

static void what_is_wrong_is_told(void **state)
{
    (void)state;
    call(command_events, "--last", "0", NULL);
    expect(EXIT_CODE_USAGE, "", "--last");
    call(command_events, "--last", "1", "--run", "x", NULL);
    expect(EXIT_CODE_USAGE, "", "both given");
    setenv("KAFKA_RUNS_TOPIC", "org_x.nowhere", 1);
    rd_kafka_mock_topic_set_error(mock.cluster, "org_x.nowhere", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    call(command_events, "--topic", "runs", NULL);
    expect(EXIT_CODE_FAILURE, "", "there is no topic org_x.nowhere");
    /* Beside this error the mock cluster names partitions, which no broker does, and librdkafka 2.8 reads
     * through a NULL pointer then (rd_kafka_topic_metadata_update). */
    if (rd_kafka_version() < 0x02030000) {
        rd_kafka_mock_topic_set_error(mock.cluster, "org_x.nowhere",
                                      RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
        call(command_events, "--topic", "runs", NULL);
        expect(EXIT_CODE_FAILURE, "", "'port-agent check --connect'");
    }
    unsetenv("KAFKA_RUNS_TOPIC");
    unsetenv("PORT_ORG_ID");
    call(command_events, NULL);
    expect(EXIT_CODE_CONFIG, "", "PORT_ORG_ID");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_topics_have_no_events),
        cmocka_unit_test(what_is_sent_is_shown_and_verified),
        cmocka_unit_test(the_last_ones_and_those_of_a_run),
        cmocka_unit_test(a_signature_that_is_not_valid_is_explained),
        cmocka_unit_test(what_is_wrong_is_told),
    };
    return cmocka_run_group_tests(tests, open_cluster, close_cluster);
}
