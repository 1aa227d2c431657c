/* Who goes out of memory when others need it, and what may not: what waits, what fell silent, what cannot be
 * read again, and what is bounded. */
#include "kept_world.h"
#include <sys/resource.h>

/** Nothing is tried a second time while a test lasts. */
static struct topic *open_patient(void)
{
    return topic_open((struct deliver_options){.retry = {.max_attempts = 3,
                                                         .max_elapsed_ms = 600000,
                                                         .initial_backoff_ms = 600000,
                                                         .max_backoff_ms = 600000}});
}

/** Each is a destination of its own, and far below its share. */
static void many_names_that_refuse_leave_space_for_others(void **state)
{
    (void)state;
    enum { NAMES = 60 };
    struct topic *topic = open_patient();
    struct world *world = topic->world;
    for (int i = 0; i < NAMES; i++) {
        char host[24];
        snprintf(host, sizeof host, "127.0.77.%d", i + 1); /* nobody listens there */
        produce_many(topic, 1, (struct event_text){.path = "/ok", .host = host});
    }
    produce(topic, (struct event_text){.run_id = "good", .path = "/ok"});
    while (counters_of(topic).retries < NAMES || world->done < 1)
        run_for(world->port, 1); /* all have had their first attempt */
    assert_int_equal(topic->records[NAMES].given.done, 1);
    assert_true(counters_of(topic).kept > 0);
    assert_true(counters_of(topic).bytes_held <= BYTES * 5 / 8);
    topic_close(topic);
}

enum { LANES = 16, BEHIND = 2 };

/** The first of each lane waits for a destination that refuses; those behind it would go to one that answers,
 * and hold most of the memory. */
static void block_lanes(struct topic *topic, int first, int count)
{
    for (int lane = first; lane < first + count; lane++) {
        char host[24], key[16];
        uint64_t retries = counters_of(topic).retries;
        snprintf(host, sizeof host, "127.0.77.%d", lane + 1); /* nobody listens there */
        snprintf(key, sizeof key, "k%d", lane);
        produce_many(topic, 1, (struct event_text){.path = "/ok", .key = key, .host = host});
        while (counters_of(topic).retries == retries)
            run_for(topic->world->port, 1);
        produce_many(topic, BEHIND, (struct event_text){.path = "/ok", .key = key, .padding = 500});
    }
}

static struct topic *open_with_blocked_lanes(void)
{
    struct topic *topic = open_patient();
    produce(topic, (struct event_text){.run_id = "r_0", .path = "/ok"});
    run_until(topic->world->port, &topic->world->done, 1);
    block_lanes(topic, 0, LANES);
    assert_int_equal(counters_of(topic).kept, 0);
    assert_true(counters_of(topic).bytes_held > BYTES * 7 / 8);
    return topic;
}

static void what_waits_behind_one_that_does_not_go_on_leaves_space_for_others(void **state)
{
    (void)state;
    struct topic *topic = open_with_blocked_lanes();
    struct world *world = topic->world;
    assert_true(world->sink.has_room(world->sink.ctx, BYTES / 8));
    assert_true(counters_of(topic).bytes_held <= BYTES * 3 / 4);
    produce(topic, (struct event_text){.run_id = "good", .path = "/ok"});
    run_until(world->port, &world->done, 2);
    topic_close(topic);
}

/** A partition is not read on where too much of it is done out of order. */
static void space_is_made_for_what_is_kept_where_the_source_asks_for_none(void **state)
{
    (void)state;
    struct topic *topic = open_with_blocked_lanes();
    struct world *world = topic->world;
    assert_true(world->sink.has_room(world->sink.ctx, BYTES / 8));
    assert_true(counters_of(topic).kept > 0);
    block_lanes(topic, LANES, LANES / 2);
    assert_true(counters_of(topic).bytes_held > BYTES * 7 / 8);
    world->port->turned_ms += 300;
    while (counters_of(topic).bytes_held > BYTES * 3 / 4)
        run_for(world->port, 1);
    topic_close(topic);
}

/** It answers, and no breaker opens where some of its answers are good. */
static void what_is_to_come_later_leaves_space_for_others(void **state)
{
    (void)state;
    struct topic *topic = open_patient();
    struct world *world = topic->world;
    world->failures = RECORDS;
    while (world->sink.has_room(world->sink.ctx, BYTES / 8)) {
        uint64_t retries = counters_of(topic).retries;
        produce_many(topic, 1, (struct event_text){.path = "/flaky", .to_other = true, .padding = 500});
        while (counters_of(topic).kept == 0 && counters_of(topic).retries == retries)
            run_for(world->port, 1);
        if (counters_of(topic).kept > 0)
            break;
    }
    assert_true(counters_of(topic).kept > 0);
    assert_true(counters_of(topic).bytes_held <= BYTES * 3 / 4);
    produce(topic, (struct event_text){.run_id = "good", .path = "/ok"});
    run_until(world->port, &world->done, 1);
    topic_close(topic);
}

/** It had answered, so it could fill the memory before anybody knew. */
static void what_fell_silent_goes_out_of_memory_when_others_need_it(void **state)
{
    (void)state;
    enum { SILENT = 40 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce(topic, (struct event_text){.run_id = "r_0", .path = "/ok", .to_other = true});
    run_until(world->port, &world->done, 1);
    while (world->sink.has_room(world->sink.ctx, 300))
        produce_many(topic, 1, (struct event_text){.path = "/hold", .to_other = true});
    assert_int_equal(counters_of(topic).kept, 0);
    world->port->turned_ms += 2000;
    assert_true(world->sink.has_room(world->sink.ctx, 300));
    assert_true(counters_of(topic).kept > 0);
    assert_true(counters_of(topic).bytes_held <= BYTES * 3 / 4);
    produce(topic, (struct event_text){.run_id = "good", .path = "/ok"});
    run_until(world->port, &world->done, 2);
    let_all_go(topic, topic->count);
    topic_close(topic);
}

/** It has had no attempt, and waits all the same. */
static void what_waits_for_a_connection_is_kept_until_its_time(void **state)
{
    (void)state;
    enum { HELD = 5 };
    for (int change = 0; change < 2; change++) {
        struct topic *topic = topic_open((struct deliver_options){0});
        struct world *world = topic->world;
        struct rlimit before, none;
        produce(topic, (struct event_text){.run_id = "good", .path = "/ok", .to_other = true});
        run_until(world->port, &world->done, 1);
        produce_many(topic, HELD, (struct event_text){.path = "/hold", .to_other = true, .padding = 18000});
        run_until(world->port, &world->held_count, HELD); /* of what is under way nothing can be kept */
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){.rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        produce_many(topic, 3, (struct event_text){.path = "/ok", .change_log = change});
        while (counters_of(topic).in_flight > HELD)
            run_for(world->port, 1); /* no descriptor is left */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_false(world->sink.has_room(world->sink.ctx, 300));
        assert_true(counters_of(topic).kept > 0);
        world->port->turned_ms += 2500; /* that of all has come */
        let_all_go(topic, topic->count);
        for (size_t i = 0; i < world->arrived; i++)
            assert_string_equal(world->attempts[i], "1");
        assert_int_equal(world->arrived, topic->count);
        assert_holds_nothing(world);
        topic_close(topic);
    }
}

static void count_due(void *ctx, const struct delivery_view *view)
{
    bool kept = strcmp(view->state, "KEPT") == 0;
    assert_true(!kept || strcmp(view->waits_for, "the time of its next attempt") == 0);
    *(size_t *)ctx += kept && view->due_in_ms > 0;
}

/** A change without a trace has no past but its time. */
static void a_change_that_waits_for_a_connection_is_kept_until_its_time(void **state)
{
    (void)state;
    enum { LARGE = 4, HELD = LARGE + 1 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    struct rlimit before, none;
    produce(topic, (struct event_text){.run_id = "good", .path = "/ok", .to_other = true});
    run_until(world->port, &world->done, 1);
    produce(topic, (struct event_text){.run_id = "r_1", .path = "/hold", .to_other = true});
    run_until(world->port, &world->held_count, 1);
    produce_many(topic, LARGE, (struct event_text){.path = "/hold", .to_other = true, .padding = 22500});
    run_until(world->port, &world->held_count, HELD);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const struct stored *change = produce(topic, (struct event_text){.path = "/ok", .change_log = true});
    while (counters_of(topic).in_flight > HELD)
        run_for(world->port, 1); /* no descriptor is left */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    world->port->turned_ms -= 20000; /* its time does not come by itself */
    let_go(world, 0);
    run_until(world->port, &world->done, 2);
    /* It goes where the change goes, and what is under way cannot be kept in its stead. */
    produce(topic, (struct event_text){.run_id = "r_2", .path = "/hold", .padding = 2500});
    run_until(world->port, &world->held_count, HELD + 1);
    assert_false(world->sink.has_room(world->sink.ctx, 1000));
    size_t due = 0;
    deliver_each(world->deliver, count_due, &due);
    assert_int_equal(due, 1);
    for (size_t i = 1; i <= HELD; i++)
        let_go(world, i);
    run_until(world->port, &world->done, topic->count - 1);
    assert_int_equal(change->given.done, 0);
    world->port->turned_ms += 22500;
    run_until(world->port, &world->done, topic->count);
    assert_int_equal(world->arrived, topic->count);
    assert_holds_nothing(world);
    topic_close(topic);
}

static void count_homeless(void *ctx, const struct delivery_view *view)
{
    *(size_t *)ctx += !view->destination && strcmp(view->state, "KEPT") == 0;
}

/** Results that Port does not take cannot be put away: what comes then is, before it is mapped. */
static void where_nothing_drains_records_are_kept_before_they_are_mapped(void **state)
{
    (void)state;
    struct topic *topic = topic_open((struct deliver_options){.max_bytes = 32 * 1024});
    struct world *world = topic->world;
    world->port->script = port_away;
    while (world->sink.has_room(world->sink.ctx, 300)) {
        produce_many(topic, 1, (struct event_text){.path = "/ok", .synchronized = true});
        run_for(world->port, 1);
    }
    size_t held = topic->count, kept = counters_of(topic).kept;
    world->port->turned_ms += 1500;
    for (int i = 0; i < 10; i++) {
        assert_true(world->sink.has_room(world->sink.ctx, 300));
        produce_many(topic, 1, (struct event_text){.path = "/ok", .key = "k"});
    }
    assert_int_equal(counters_of(topic).kept, kept + 10);
    size_t shown = 0;
    deliver_each(world->deliver, count_homeless, &shown);
    assert_int_equal(shown, kept + 10);
    world->port->script = NULL;
    let_all_go(topic, held + 10);
    assert_int_equal(world->arrived, held + 10);
    assert_holds_nothing(world);
    topic_close(topic);
}

static void a_redelivery_that_takes_the_last_space_holds_no_others_up(void **state)
{
    (void)state;
    struct topic *topic = topic_open((struct deliver_options){.max_bytes = 32 * 1024});
    struct world *world = topic->world;
    world->port->script = port_away;
    while (world->sink.has_room(world->sink.ctx, 300)) {
        produce_many(
            topic, 1,
            (struct event_text){.path = "/ok", .synchronized = true, .redelivery_of = "org.runs-0-0"});
        run_for(world->port, 1);
        if (topic->count == 1) /* what the source itself has can be read again */
            produce_many(topic, 1, (struct event_text){.path = "/ok", .synchronized = true});
    }
    size_t held = topic->count, kept = counters_of(topic).kept;
    world->port->turned_ms += 1500;
    assert_true(world->sink.has_room(world->sink.ctx, 300));
    produce_many(topic, 1, (struct event_text){.path = "/ok", .key = "k"});
    assert_int_equal(counters_of(topic).kept, kept + 1);
    world->port->script = NULL;
    let_all_go(topic, held + 1);
    assert_int_equal(world->arrived, held + 1);
    assert_holds_nothing(world);
    topic_close(topic);
}

static void a_redelivery_is_not_taken_where_records_are_by_reference_alone(void **state)
{
    (void)state;
    struct topic *topic = topic_open((struct deliver_options){.max_bytes = 32 * 1024});
    struct world *world = topic->world;
    world->port->script = port_away;
    while (world->sink.has_room(world->sink.ctx, 300)) {
        produce_many(topic, 1, (struct event_text){.path = "/ok", .synchronized = true});
        run_for(world->port, 1);
    }
    world->port->turned_ms += 1500;
    assert_true(world->sink.has_room(world->sink.ctx, 300));
    uint64_t held = counters_of(topic).bytes_held;
    produce_many(topic, 1, (struct event_text){.path = "/ok", .redelivery_of = "org.runs-0-0"});
    assert_int_equal(world->dropped, 1);
    assert_int_equal(counters_of(topic).bytes_held, held);
    world->port->script = NULL;
    let_all_go(topic, topic->count - 1);
    topic_close(topic);
}

/** A polled run, say, or a letter that is replayed. */
static void what_cannot_be_read_again_stays_in_memory(void **state)
{
    (void)state;
    enum { ALL = 5 };
    struct world *world = world_new(1, 4096);
    struct counters counters;
    for (size_t i = 0; i < ALL; i++)
        give(world, (struct event_text){.run_id = "r_1", .path = "/hold"});
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.kept, 0);
    assert_int_equal(counters.queued + counters.in_flight, ALL);
    for (size_t i = 0; i < ALL; i++) {
        run_until(world->port, &world->held_count, i + 1);
        let_go(world, i);
    }
    run_until(world->port, &world->done, ALL);
    assert_holds_nothing(world);
    world_free(world);
}

static void references_are_bounded(void **state)
{
    (void)state;
    struct conditions *conditions = conditions_new(clock_system());
    struct topic *topic = topic_open((struct deliver_options){.max_bytes = 4096, .conditions = conditions});
    produce_many(topic, 60, (struct event_text){.path = "/hold", .to_other = true});
    struct counters counters = counters_of(topic);
    assert_in_range(counters.kept, 10, 40);
    assert_int_equal(counters.kept + counters.queued + counters.in_flight, 60);
    assert_false(topic->world->sink.has_room(topic->world->sink.ctx, 300));
    const struct condition *condition = conditions_next(conditions, NULL);
    assert_true(condition && condition->kind == CONDITION_REFERENCES_FULL);
    let_all_go(topic, 60);
    assert_null(conditions_next(conditions, NULL));
    assert_holds_nothing(topic->world);
    topic_close(topic);
    conditions_free(conditions);
}

/** The good endpoint answers one request after another. */
static void answer_the_good(struct world *world, size_t *answered)
{
    run_for(world->port, 1);
    while (*answered < world->held_count && !strstr(world->paths[*answered], "good"))
        ++*answered;
    if (*answered < world->held_count)
        let_go(world, (*answered)++);
}

/** What waits for the silent endpoint fits into the references; what waits for both does not. */
static void others_go_on_while_references_are_full(void **state)
{
    (void)state;
    enum { SILENT = 400, GOOD = 500 };
    struct topic *topic = topic_open((struct deliver_options){.max_bytes = 64 * 1024});
    struct world *world = topic->world;
    size_t answered = 0;
    bool was_full = false;
    while (topic->count < SILENT + GOOD) {
        bool silent = topic->count % 2 == 0 && topic->count < SILENT * 2;
        struct event_text text = {.path = silent ? "/hold/bad" : "/hold/good", .to_other = silent};
        if (world->sink.has_room(world->sink.ctx, 300)) {
            produce_many(topic, 1, text);
            continue;
        }
        world->port->turned_ms += 1500; /* whose queue has not moved for a second is slow */
        was_full |= !world->sink.has_room(world->sink.ctx, 300);
        answer_the_good(world, &answered);
    }
    assert_true(was_full);
    while (world->done < GOOD)
        answer_the_good(world, &answered);
    assert_true(counters_of(topic).kept > 0);
    for (size_t i = 0; i < world->held_count; i++)
        if (world->held[i])
            let_go(world, i);
    for (size_t gone = world->held_count; world->done < SILENT + GOOD;) {
        run_for(world->port, 1);
        while (gone < world->held_count)
            let_go(world, gone++);
    }
    assert_holds_nothing(world);
    topic_close(topic);
}

static void what_is_kept_is_given_back_with_its_partition(void **state)
{
    (void)state;
    enum { SILENT = 40 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true, .key = "k"});
    run_until(world->port, &world->held_count, 1);
    assert_true(counters_of(topic).kept > 0);
    world->sink.withdraw(world->sink.ctx, topic, false);
    assert_int_equal(world->dropped, SILENT - 1);
    assert_int_equal(counters_of(topic).kept, 0);
    let_all_go(topic, 1);
    assert_holds_nothing(world);
    topic_close(topic);
}

struct search {
    const char *run_id;
    struct delivery_view found;
    size_t count;
};

static void look_for_run(void *ctx, const struct delivery_view *view)
{
    struct search *search = ctx;
    search->count++;
    if (slice_equal_text(view->run_id, search->run_id))
        search->found = *view;
}

static void where_a_kept_run_is_can_be_asked(void **state)
{
    (void)state;
    enum { SILENT = 30 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    char destination[64];
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    struct search search = {.run_id = "r_29"};
    deliver_each(world->deliver, look_for_run, &search);
    assert_int_equal(search.count, SILENT);
    assert_string_equal(search.found.state, "KEPT");
    assert_string_equal(search.found.waits_for, "those before it at the destination, to be read again then");
    snprintf(destination, sizeof destination, "http://127.0.0.1:%d", http_server_port(world->other));
    assert_string_equal(search.found.destination, destination);
    assert_string_equal(search.found.topic, "org.runs");
    assert_int_equal(search.found.offset, 29);
    assert_int_equal(search.found.attempts, 0);
    assert_int_equal(search.found.due_in_ms, -1);
    let_all_go(topic, SILENT);
    topic_close(topic);
}

static void a_cancelled_run_that_is_kept_ends_when_its_record_is_here(void **state)
{
    (void)state;
    enum { SILENT = 30 };
    struct topic *topic = topic_open((struct deliver_options){0});
    struct world *world = topic->world;
    size_t answered;
    produce_many(topic, SILENT, (struct event_text){.path = "/hold", .to_other = true});
    assert_int_equal(deliver_cancel_run(world->deliver, SLICE_LITERAL("r_29"), &answered), 1);
    assert_int_equal(deliver_cancel_run(world->deliver, SLICE_LITERAL("r_29"), &answered), 0);
    let_all_go(topic, SILENT);
    assert_int_equal(world->arrived, SILENT - 1);
    assert_int_equal(counters_of(topic).failed, 1);
    topic_close(topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_names_that_refuse_leave_space_for_others),
        cmocka_unit_test(what_waits_behind_one_that_does_not_go_on_leaves_space_for_others),
        cmocka_unit_test(space_is_made_for_what_is_kept_where_the_source_asks_for_none),
        cmocka_unit_test(what_is_to_come_later_leaves_space_for_others),
        cmocka_unit_test(what_fell_silent_goes_out_of_memory_when_others_need_it),
        cmocka_unit_test(what_waits_for_a_connection_is_kept_until_its_time),
        cmocka_unit_test(a_change_that_waits_for_a_connection_is_kept_until_its_time),
        cmocka_unit_test(where_nothing_drains_records_are_kept_before_they_are_mapped),
        cmocka_unit_test(a_redelivery_that_takes_the_last_space_holds_no_others_up),
        cmocka_unit_test(a_redelivery_is_not_taken_where_records_are_by_reference_alone),
        cmocka_unit_test(what_cannot_be_read_again_stays_in_memory),
        cmocka_unit_test(references_are_bounded),
        cmocka_unit_test(others_go_on_while_references_are_full),
        cmocka_unit_test(what_is_kept_is_given_back_with_its_partition),
        cmocka_unit_test(where_a_kept_run_is_can_be_asked),
        cmocka_unit_test(a_cancelled_run_that_is_kept_ends_when_its_record_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
