/* Clients that cannot be made: because of their settings, or because there are no threads. */
#include "kafka/connection.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void settings_that_do_not_go_together_are_invalid(void **state)
{
    (void)state;
    struct error err = {0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(kafka_set_number(conf, "session.timeout.ms", 3000000, &err), 0);
    assert_null(kafka_client_new(RD_KAFKA_CONSUMER, conf, &err));
    assert_int_equal(err.kind, PA_ERR_INVALID);
    assert_memory_equal(err.message, "Kafka consumer: ", 16);
    assert_non_null(strstr(err.message, "session.timeout.ms"));
}

static void nothing_is_said_of_settings_that_are_not_there(void **state)
{
    (void)state;
    struct error err = {.kind = PA_ERR_MEMORY};
    assert_null(kafka_client_new(RD_KAFKA_CONSUMER, NULL, &err));
    assert_int_equal(err.kind, PA_ERR_MEMORY);
}

/** As a user who may have no process more. Returns 0 when the error is what it has to be. */
static int without_threads(void)
{
    enum { NOBODY = 65534 };
    const struct rlimit none = {0, 0};
    struct error err = {0};
    if ((geteuid() == 0 && setuid(NOBODY) != 0) || setrlimit(RLIMIT_NPROC, &none) != 0)
        return 2;
    if (kafka_client_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), &err))
        return 3;
    return err.kind == PA_ERR_UNAVAILABLE && strncmp(err.message, "Kafka producer: ", 16) == 0 ? 0 : 4;
}

static void a_system_without_threads_is_no_wrong_setting(void **state)
{
    (void)state;
    int status = -1;
    if (getenv("TEST_UNDER_VALGRIND"))
        skip(); /* as another user it cannot take its own pipes away, and says so */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(without_threads());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_do_not_go_together_are_invalid),
        cmocka_unit_test(nothing_is_said_of_settings_that_are_not_there),
        cmocka_unit_test(a_system_without_threads_is_no_wrong_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
