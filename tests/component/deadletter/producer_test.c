/* Letters in a Kafka topic, on librdkafka's mock cluster with errors injected. */
#include "../kafka/mock_cluster.h"
#include "letters.h"

enum { API_PRODUCE = 0, API_INIT_PRODUCER_ID = 22 };
static const char TOPIC[] = "org.dead-letters";

static struct mock_cluster mock;

static int open_cluster(void **state)
{
    (void)state;
    return mock_cluster_open(&mock, (const char *[]){TOPIC}, 1) ? 0 : -1;
}

static int close_cluster(void **state)
{
    (void)state;
    mock_cluster_close(&mock);
    return 0;
}

static void open_topic(struct world *world)
{
    struct dead_letters_options options = {.topic = TOPIC,
                                           .bootstrap_servers = mock_cluster_address(&mock),
                                           .security_protocol = "plaintext",
                                           .record_max_bytes = 32 << 20};
    world_open(world, &options);
}

static rd_kafka_t *new_reader(void)
{
    rd_kafka_conf_t *conf = mock_cluster_conf(&mock);
    rd_kafka_conf_set(conf, "group.id", "reader", NULL, 0);
    rd_kafka_t *reader = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *from = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(from, TOPIC, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader, from);
    rd_kafka_topic_partition_list_destroy(from);
    return reader;
}

static rd_kafka_message_t *read_one(rd_kafka_t *reader)
{
    for (int i = 0; i < WAIT_MS / 100; i++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(reader, 100);
        if (message && !message->err)
            return message;
        if (message)
            rd_kafka_message_destroy(message);
    }
    fail_msg("nothing was in the topic");
    return NULL;
}

static void check_header(const rd_kafka_message_t *message, const char *name, const char *expected)
{
    rd_kafka_headers_t *headers;
    const void *value;
    size_t size;
    assert_int_equal(rd_kafka_message_headers(message, &headers), 0);
    if (rd_kafka_header_get_last(headers, name, &value, &size) != 0)
        fail_msg("no header %s", name);
    if (size != strlen(expected) || memcmp(value, expected, size) != 0)
        fail_msg("header %s: '%.*s' is not '%s'", name, (int)size, (const char *)value, expected);
}

static void a_letter_keeps_key_and_value_and_tells_the_rest_in_headers(void **state)
{
    (void)state;
    struct world world;
    open_topic(&world);
    struct dead_letter letter = letter_of(77, "{\"big\":9007199254740993}");
    world_write(&world, &letter);
    assert_int_equal(world.done, 0);
    world_run_done(&world, 1);
    letter.key = (struct slice){NULL, 0};
    letter.url = "";
    letter.status = 0;
    world_write(&world, &letter);
    world_run_done(&world, 2);
    world_close(&world);

    rd_kafka_t *reader = new_reader();
    rd_kafka_message_t *message = read_one(reader);
    assert_int_equal(message->key_len, 3);
    assert_memory_equal(message->key, "key", 3);
    assert_int_equal(message->len, letter.value.len);
    assert_memory_equal(message->payload, letter.value.ptr, letter.value.len);
    check_header(message, "dead-letter.reason", letter.reason);
    check_header(message, "dead-letter.attempts", "5");
    check_header(message, "dead-letter.status", "503");
    check_header(message, "dead-letter.topic", "org.runs");
    check_header(message, "dead-letter.partition", "2");
    check_header(message, "dead-letter.offset", "77");
    check_header(message, "dead-letter.time", "2026-01-13T15:20:16.641Z");
    check_header(message, "dead-letter.url", "https://svc.internal/vm?token=***");
    check_header(message, "dead-letter.run_id", "r_1");
    rd_kafka_message_destroy(message);
    message = read_one(reader);
    assert_null(message->key);
    check_header(message, "dead-letter.status", "0");
    check_header(message, "dead-letter.url", "");
    rd_kafka_message_destroy(message);
    rd_kafka_destroy(reader);
}

static void a_refusal_holds_letters_back_until_it_passes(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t refusals[] = {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                                   RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                                   RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
    struct world world;
    open_topic(&world);
    rd_kafka_mock_push_request_errors_array(mock.cluster, API_PRODUCE, 3, refusals);
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    world_run_failures(&world, 3);
    assert_int_equal(world.done, 0);
    world_run_done(&world, 1);
    struct dead_letters_counters counters;
    dead_letters_counters(world.letters, &counters);
    assert_int_equal(counters.written, 1);
    world_close(&world);
}

static void many_letters_go_through_a_client_that_holds_little(void **state)
{
    (void)state;
    struct world world;
    char *large = malloc(400 * 1024 + 1);
    assert_non_null(large);
    memset(large, 'x', 400 * 1024);
    large[400 * 1024] = '\0';
    open_topic(&world);
    for (unsigned i = 0; i < 10; i++) {
        struct dead_letter letter = letter_of(i, large);
        world_write(&world, &letter);
    }
    world_run_done(&world, 10);
    free(large);
    world_close(&world);
}

static void a_producer_that_ended_is_made_anew(void **state)
{
    (void)state;
    struct world world;
    rd_kafka_mock_push_request_errors(mock.cluster, API_INIT_PRODUCER_ID, 1,
                                      RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    open_topic(&world);
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    world_run_done(&world, 1);
    world_close(&world);
}

static void a_forgotten_letter_tells_nobody_and_its_bytes_are_not_read_again(void **state)
{
    (void)state;
    struct world world;
    open_topic(&world);
    rd_kafka_mock_broker_set_rtt(mock.cluster, 1, 200);
    char *value = strdup("{\"short\":\"lived\"}");
    struct dead_letter letter = letter_of(1, value);
    struct dead_letter_write *write = world_write(&world, &letter);
    uv_run(&world.loop, UV_RUN_NOWAIT); /* the client has it now, and the broker takes its time */
    dead_letter_write_forget(write);
    free(value);
    struct dead_letter last = letter_of(2, "{}");
    world_write(&world, &last);
    world_run_done(&world, 1);
    world_close(&world);
}

static void closing_does_not_wait_for_brokers(void **state)
{
    (void)state;
    struct world world;
    open_topic(&world);
    rd_kafka_mock_broker_set_down(mock.cluster, 1);
    struct dead_letter letter = letter_of(1, "{}");
    world_write(&world, &letter);
    uv_run(&world.loop, UV_RUN_ONCE);
    int64_t before = clock_monotonic_ms(clock_system());
    world_close(&world);
    assert_int_equal(world.done, 0);
    assert_true(clock_monotonic_ms(clock_system()) - before < 5000);
}

#define ON_A_CLUSTER(test) cmocka_unit_test_setup_teardown(test, open_cluster, close_cluster)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_CLUSTER(a_letter_keeps_key_and_value_and_tells_the_rest_in_headers),
        ON_A_CLUSTER(a_refusal_holds_letters_back_until_it_passes),
        ON_A_CLUSTER(many_letters_go_through_a_client_that_holds_little),
        ON_A_CLUSTER(a_producer_that_ended_is_made_anew),
        ON_A_CLUSTER(a_forgotten_letter_tells_nobody_and_its_bytes_are_not_read_again),
        ON_A_CLUSTER(closing_does_not_wait_for_brokers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
