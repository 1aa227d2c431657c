/* Letters in a Kafka topic whose brokers and credentials come from Port, and what is told of the topic before
 * a letter needs it. */
#include "../kafka/mock_cluster.h"
#include "../port/fake_port.h"
#include "deadletter/dead_letter.h"

static const char TOPIC[] = "org.dead-letters";

static struct mock_cluster mock;
static struct fake_port *port;
static struct dead_letters *letters;
static struct caught caught;
static size_t written, closed;

static int open_all(void **state)
{
    (void)state;
    written = closed = 0;
    caught = logs_catch();
    port = fake_port_new(4);
    return mock_cluster_open(&mock, (const char *[]){TOPIC}, 1) ? 0 : -1;
}

static int close_all(void **state)
{
    (void)state;
    fake_port_free(port);
    mock_cluster_close(&mock);
    return 0;
}

static void count(void *ctx)
{
    ++*(size_t *)ctx;
}

static void open_letters(bool through_port)
{
    struct error err = {0};
    struct dead_letters_options options = {.loop = &port->loop,
                                           .clock = &port->clock,
                                           .topic = TOPIC,
                                           .secret = SLICE_LITERAL("the client secret"),
                                           .port = through_port ? port->api : NULL,
                                           .bootstrap_servers = mock_cluster_address(&mock),
                                           .security_protocol = "plaintext",
                                           .record_max_bytes = 1 << 20,
                                           .first_backoff_ms = 5,
                                           .max_backoff_ms = 50};
    letters = dead_letters_new(&options, &err);
    if (!letters)
        fail_msg("%s", err.message);
}

/** All that was logged; the caller frees. */
static char *close_letters(void)
{
    dead_letters_close(letters, count, &closed);
    run_until(port, &closed, 1);
    return logs_end(&caught);
}

static void write_letter(void)
{
    struct dead_letter letter = {.reason = "no answer",
                                 .topic = "org.runs",
                                 .id = SLICE_LITERAL("id"),
                                 .url = "",
                                 .value = SLICE_LITERAL("{}")};
    assert_non_null(dead_letters_write(letters, &letter, count, &written));
}

static uint64_t failures(void)
{
    struct dead_letters_counters counters;
    dead_letters_counters(letters, &counters);
    return counters.failures;
}

/** The mock cluster's address with any user and password. That these are no use without SASL, librdkafka says
 * in its log while the client is made: before anybody listens to its queue. */
static struct reply credentials(struct fake_port *fake, size_t n, const struct seen *request)
{
    static char body[256];
    (void)fake;
    (void)n;
    assert_string_equal(request->target, "/v1/kafka-credentials");
    snprintf(body, sizeof body,
             "{\"credentials\":{\"brokers\":[\"%s\"],\"username\":\"u\",\"password\":\"p\"}}",
             mock_cluster_address(&mock));
    return (struct reply){.body = body};
}

static struct reply credentials_later(struct fake_port *fake, size_t n, const struct seen *request)
{
    return n == 0 ? (struct reply){.status = 503} : credentials(fake, n, request);
}

static void letters_wait_for_brokers_and_credentials_from_port(void **state)
{
    (void)state;
    port->script = credentials;
    open_letters(true);
    write_letter();
    run_until(port, &written, 1);
    assert_int_equal(failures(), 0); /* until Port has answered, there was nothing to fail */
    char *log = close_letters();
    assert_null(strstr(log, "cannot be written"));
    free(log);
}

static void a_letter_that_waits_for_port_in_vain_says_why(void **state)
{
    (void)state;
    port->script = credentials_later;
    open_letters(true);
    write_letter();
    run_until(port, &written, 1);
    assert_true(failures() > 0);
    char *log = close_letters();
    assert_non_null(strstr(log, "\"error.message\":\"Kafka credentials could not be fetched from Port: "));
    assert_int_equal(occurrences(log, "a dead letter cannot be written"), 1);
    assert_int_equal(occurrences(log, "dead letters are written again"), 1);
    free(log);
}

static void letters_without_brokers_can_be_closed(void **state)
{
    (void)state;
    port->script = credentials;
    open_letters(true);
    write_letter();
    char *log = close_letters();
    assert_int_equal(written, 0);
    assert_null(strstr(log, "cannot be written"));
    free(log);
}

/** Runs until the log has the text. */
static void run_until_logged(const char *text)
{
    for (int64_t end = clock_monotonic_ms(clock_system()) + WAIT_MS;;) {
        char *log = logs_so_far(&caught);
        bool there = strstr(log, text) != NULL;
        free(log);
        if (there)
            return;
        if (clock_monotonic_ms(clock_system()) > end)
            fail_msg("'%s' is not told", text);
        run_for(port, 10);
    }
}

static void a_topic_that_takes_no_letters_is_told_before_one_is_needed(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t code;
        const char *told;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "the topic does not exist: create it"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "the topic is not for this user"},
        {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "this is no name that a topic may have"},
    };
    /* With librdkafka 2.8's mock cluster the others are not told; not explained yet. */
    size_t count = rd_kafka_version() < 0x020300ff ? sizeof cases / sizeof *cases : 1;
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            caught = logs_catch();
        closed = 0;
        rd_kafka_mock_topic_set_error(mock.cluster, TOPIC, cases[i].code);
        port->script = credentials;
        open_letters(i == 0);
        run_until_logged(cases[i].told);
        char *log = close_letters();
        assert_int_equal(occurrences(log, "dead letters cannot be written now"), 1);
        assert_non_null(strstr(log, "\"messaging.destination.name\":\"org.dead-letters\""));
        assert_non_null(strstr(log, rd_kafka_err2name(cases[i].code)));
        free(log);
    }
}

#define WITH_A_CLUSTER(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_A_CLUSTER(letters_wait_for_brokers_and_credentials_from_port),
        WITH_A_CLUSTER(a_letter_that_waits_for_port_in_vain_says_why),
        WITH_A_CLUSTER(letters_without_brokers_can_be_closed),
        WITH_A_CLUSTER(a_topic_that_takes_no_letters_is_told_before_one_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
