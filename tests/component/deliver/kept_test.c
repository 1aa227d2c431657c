/* What is kept by reference: who is beyond a share, that everybody else goes on meanwhile, and that it comes
 * back in its order, with its attempts, or fails where its record is gone. */
#include "kept_world.h"

static void a_silent_destination_fills_its_share_and_nobody_elses(void **state)
{
    (void)state;
    enum { SILENT = 40 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    struct counters counters = counters_of(topic);
    assert_true(counters.kept > SILENT / 2);
    assert_true(counters.bytes_held < BYTES / 4);
    assert_int_equal(counters.kept + counters.queued + counters.in_flight, SILENT);
    produce(topic, (struct event_text){.run_id = "good", .path = "/ok"});
    run_until(world->port, &world->done, 1);
    assert_int_equal(topic->records[SILENT].given.done, 1);
    let_all_go(topic, SILENT + 1);
    assert_int_equal(world->arrived, SILENT + 1);
    assert_true(topic->read_again >= counters.kept);
    assert_holds_nothing(world);
    topic_close(topic);
}

static void the_time_out_of_memory_counts_as_waiting(void **state)
{
    (void)state;
    enum { SILENT = 40 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    size_t kept = counters_of(topic).kept;
    struct caught caught = logs_catch();
    world->port->turned_ms += 5000000;
    let_all_go(topic, SILENT);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "memory 50"), kept); /* to 5099 s */
    free(logged);
    topic_close(topic);
}

static void what_a_key_is_kept_of_comes_back_in_its_order(void **state)
{
    (void)state;
    enum { OF_KEY = 40 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce(topic, (struct event_text){.run_id = "r_0", .path = "/hold/0", .key = "k"});
    produce_many(topic, OF_KEY - 1, (struct event_text){.path = "/order", .key = "k"});
    assert_true(counters_of(topic).kept > OF_KEY / 2);
    let_all_go(topic, OF_KEY);
    assert_int_equal(world->arrived, OF_KEY);
    for (int i = 1; i < OF_KEY; i++) {
        char path[64];
        snprintf(path, sizeof path, "/order/%d", i);
        assert_string_equal(world->paths[i], path);
    }
    assert_holds_nothing(world);
    topic_close(topic);
}

/** What is behind the first of a key is asked for with it: then the key is not as slow as its readings. */
static void those_behind_the_first_of_a_key_are_read_with_it(void **state)
{
    (void)state;
    enum { OF_KEY = 40 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce(topic, (struct event_text){.run_id = "r_0", .path = "/hold/0", .key = "k"});
    produce_many(topic, OF_KEY - 1, (struct event_text){.path = "/hold", .key = "k"});
    size_t gone = 0;
    while (topic->read_again == 0) {
        while (gone < world->held_count)
            let_go(world, gone++);
        run_for(world->port, 1);
    }
    assert_true(topic->read_again > OF_KEY / 2);
    while (world->done < OF_KEY) {
        while (gone < world->held_count)
            let_go(world, gone++);
        run_for(world->port, 1);
    }
    topic_close(topic);
}

/** A key's records that wait for a destination without room hold their key's place. */
static void order_is_kept_at_a_silent_destination_too(void **state)
{
    (void)state;
    enum { ALL = 48, KEYS = 3 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    static const char *const keys[KEYS] = {"a", "b", "c"};
    for (int i = 0; i < ALL; i++)
        produce_many(topic, 1, (struct event_text){.path = "/hold", .to_other = true, .key = keys[i % KEYS]});
    assert_true(counters_of(topic).kept > 0);
    let_all_go(topic, ALL);
    int last[KEYS] = {-1, -1, -1};
    for (size_t i = 0; i < world->arrived; i++) {
        int place = atoi(world->paths[i] + strlen("/hold/"));
        assert_true(place > last[place % KEYS]);
        last[place % KEYS] = place;
    }
    assert_int_equal(world->arrived, ALL);
    topic_close(topic);
}

/** Its share has space for the one before it alone. */
static void a_large_record_behind_another_is_read_when_that_one_is_done(void **state)
{
    (void)state;
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce(topic, (struct event_text){.run_id = "r_small", .path = "/hold"});
    produce(topic, (struct event_text){.run_id = "r_large", .path = "/ok", .padding = BYTES / 3});
    assert_int_equal(counters_of(topic).kept, 1);
    run_until(world->port, &world->held_count, 1);
    run_for(world->port, 50);
    assert_int_equal(topic->read_again, 0);
    let_all_go(topic, 2);
    assert_int_equal(topic->read_again, 1);
    assert_int_equal(world->arrived, 2);
    assert_holds_nothing(world);
    topic_close(topic);
}

/** There is space for the later one in half a share, and it goes behind the large one all the same. */
static void a_large_record_is_not_overtaken_for_ever(void **state)
{
    (void)state;
    enum { SMALL = 5 };
    struct topic *topic = topic_open((struct deliver_options){.max_bytes = (size_t)4 * BYTES});
    struct world *world = topic->world;
    produce(topic, (struct event_text){.run_id = "r_small", .path = "/hold"});
    produce(topic, (struct event_text){.run_id = "r_large", .path = "/hold/large", .padding = BYTES / 3});
    assert_int_equal(counters_of(topic).kept, 1);
    produce_many(topic, SMALL, (struct event_text){.path = "/hold"});
    assert_int_equal(counters_of(topic).kept, 1 + SMALL);
    run_until(world->port, &world->held_count, 1);
    let_all_go(topic, topic->count);
    assert_string_equal(world->paths[1], "/hold/large");
    assert_int_equal(world->arrived, topic->count);
    assert_holds_nothing(world);
    topic_close(topic);
}

static void what_has_left_the_topic_fails_and_its_run_hears_of_it(void **state)
{
    (void)state;
    enum { SILENT = 30 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    struct caught caught = logs_catch();
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    topic->records[SILENT - 1].gone = true;
    let_all_go(topic, SILENT);
    char *logged = logs_end(&caught);
    assert_int_equal(counters_of(topic).gone, 1);
    assert_int_equal(counters_of(topic).failed, 1);
    assert_int_equal(world->arrived, SILENT - 1);
    assert_non_null(strstr(logged, "\"level\":\"ERROR\",\"msg\":\"webhook failed\""));
    assert_non_null(strstr(logged, "no longer in the topic"));
    assert_non_null(strstr(logged, "r_29"));
    free(logged);
    size_t told = 0;
    for (size_t i = 0; i < world->port->count; i++)
        told += strstr(world->port->seen[i].body, "no longer in the topic") != NULL;
    assert_int_equal(told, 1);
    topic_close(topic);
}

static void what_the_source_knows_to_be_gone_fails_where_it_stood(void **state)
{
    (void)state;
    enum { SILENT = 30 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    struct caught caught = logs_catch();
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    topic->records[SILENT - 1].known_gone = true;
    let_all_go(topic, SILENT);
    char *logged = logs_end(&caught);
    assert_int_equal(counters_of(topic).gone, 1);
    assert_int_equal(world->arrived, SILENT - 1);
    char *line = strstr(logged, "\"msg\":\"webhook failed\"");
    assert_non_null(line);
    *strchr(line, '\n') = '\0';
    assert_non_null(strstr(line, "no longer in the topic"));
    assert_non_null(strstr(line, "\"messaging.destination.name\":\"org.runs\""));
    assert_non_null(strstr(line, "\"messaging.destination.partition.id\":0"));
    assert_non_null(strstr(line, "\"messaging.kafka.offset\":29"));
    assert_non_null(strstr(line, "\"port.run_id\":\"r_29\""));
    free(logged);
    topic_close(topic);
}

static void what_could_not_be_read_for_lack_of_memory_is_read_later(void **state)
{
    (void)state;
    enum { SILENT = 30 };
    struct topic *topic = topic_open((struct deliver_options){0});
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    topic->failing = 1;
    let_all_go(topic, SILENT);
    assert_int_equal(topic->failing, 0);
    assert_int_equal(topic->world->arrived, SILENT);
    assert_holds_nothing(topic->world);
    topic_close(topic);
}

/** Another record stands at its offset: the topic was made anew. */
static void what_is_another_record_by_now_is_not_sent(void **state)
{
    (void)state;
    enum { SILENT = 30 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    struct stored *last = &topic->records[SILENT - 1];
    last->value.len = 0;
    write_event(world, &(struct event_text){.run_id = "r_other", .path = "/ok"}, &last->value);
    let_all_go(topic, SILENT);
    assert_int_equal(counters_of(topic).gone, 1);
    assert_int_equal(world->arrived, SILENT - 1);
    topic_close(topic);
}

static void attempts_are_kept(void **state)
{
    (void)state;
    enum { ALL = 24 };
    struct topic *topic = topic_open((struct deliver_options){.retry = {.max_attempts = 2 * ALL,
                                                                        .max_elapsed_ms = 600000,
                                                                        .initial_backoff_ms = 1,
                                                                        .max_backoff_ms = 5}});
    struct world *world = topic->world;
    world->failures = ALL; /* 503 with Retry-After: 0 */
    produce_many(topic, ALL, (struct event_text){.path = "/flaky"});
    assert_true(counters_of(topic).kept > 0);
    run_until(world->port, &world->done, ALL);
    size_t firsts = 0, all = 0;
    for (size_t i = 0; i < world->arrived; i++) {
        firsts += strcmp(world->attempts[i], "1") == 0;
        all += (size_t)atoi(world->attempts[i]);
    }
    assert_int_equal(firsts, ALL);
    assert_int_equal(world->arrived, 2 * ALL);
    assert_true(all > 3 * ALL - 1);
    assert_int_equal(counters_of(topic).retries, ALL);
    assert_holds_nothing(world);
    topic_close(topic);
}

static void a_trace_that_began_here_is_the_same_when_the_record_is_read_again(void **state)
{
    (void)state;
    enum { ALL = 24 };
    struct tracing tracing = {.sampling = TRACE_ALWAYS, .key = 9};
    struct slice wrong;
    struct deliver_options options = {
        .tracing = &tracing, /* whoever waits for long while others do is kept */
        .retry = {.max_attempts = 2, .max_elapsed_ms = 600000, .initial_backoff_ms = 1200}};
    options.retry.max_backoff_ms = options.retry.initial_backoff_ms;
    assert_true(retry_on_parse(SLICE_LITERAL("500"), &options.retry_on, &wrong));
    struct topic *topic = topic_open(options);
    struct world *world = topic->world;
    struct caught caught = logs_catch();
    produce_many(topic, ALL, (struct event_text){.path = "/500"});
    run_until(world->port, &world->done, ALL);
    char *logged = logs_end(&caught);
    bool kept = strstr(logged, "\"from_state\":\"WAITING\",\"to_state\":\"KEPT\"") != NULL;
    free(logged);
    assert_true(kept);
    for (size_t i = 0; i < world->arrived; i++)
        for (size_t j = 0; j < i; j++) {
            bool same = strcmp(world->keys[i], world->keys[j]) == 0;
            assert_int_equal(memcmp(world->parents[i], world->parents[j], 35) == 0, same);
            assert_string_not_equal(world->parents[i] + 36, world->parents[j] + 36);
        }
    topic_close(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_destination_fills_its_share_and_nobody_elses),
        cmocka_unit_test(the_time_out_of_memory_counts_as_waiting),
        cmocka_unit_test(what_a_key_is_kept_of_comes_back_in_its_order),
        cmocka_unit_test(those_behind_the_first_of_a_key_are_read_with_it),
        cmocka_unit_test(order_is_kept_at_a_silent_destination_too),
        cmocka_unit_test(a_large_record_behind_another_is_read_when_that_one_is_done),
        cmocka_unit_test(a_large_record_is_not_overtaken_for_ever),
        cmocka_unit_test(what_has_left_the_topic_fails_and_its_run_hears_of_it),
        cmocka_unit_test(what_the_source_knows_to_be_gone_fails_where_it_stood),
        cmocka_unit_test(what_could_not_be_read_for_lack_of_memory_is_read_later),
        cmocka_unit_test(what_is_another_record_by_now_is_not_sent),
        cmocka_unit_test(attempts_are_kept),
        cmocka_unit_test(a_trace_that_began_here_is_the_same_when_the_record_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
