/* What is kept by reference: who is beyond a share, that everybody else goes on meanwhile, and that it comes
 * back in its order, with its attempts, or fails where its record is gone. */
#include "world.h"
#include <sys/resource.h>

enum { BYTES = 96 * 1024 };

/** A source whose records can be read again: it keeps their bytes itself. */
struct topic {
    struct world *world;
    struct stored {
        /** First, as the world has it. */
        struct given given;
        struct topic *topic;
        struct buffer value;
        char key[8], id[32];
        int64_t offset;
        bool change;
        bool gone;
        /** And the source knows that without reading. */
        bool known_gone;
        /** Who wants it read again. */
        void *reader;
    } records[RECORDS];
    size_t count, read_again;
    /** So many readings find no memory first. */
    size_t failing;
    uv_check_t check;
};

static void stored_settle(struct ticket *ticket, bool done)
{
    struct stored *stored = (struct stored *)(void *)ticket;
    stored->reader = NULL;
    settle(ticket, done);
}

static enum source_reading stored_read_again(struct ticket *ticket, void *reader)
{
    struct stored *stored = (struct stored *)(void *)ticket;
    assert_null(stored->reader);
    assert_int_equal(stored->given.done + stored->given.dropped, 0);
    if (stored->known_gone)
        return READING_GONE;
    if (stored->topic->failing > 0) {
        stored->topic->failing--;
        return READING_FAILED;
    }
    stored->reader = reader;
    uv_check_start(&stored->topic->check, stored->topic->check.check_cb);
    return READING_COMES;
}

static struct record record_of(const struct stored *stored)
{
    return (struct record){.kind = stored->change ? EVENT_CHANGE_LOG : EVENT_RUN,
                           .id = slice_of(stored->id),
                           .topic = stored->change ? "org.change.log" : "org.runs",
                           .offset = stored->offset,
                           .timestamp_ms = -1,
                           .key = slice_of(*stored->key ? stored->key : NULL),
                           .value = buffer_slice(&stored->value),
                           .assignment = stored->topic};
}

/** What is wanted comes, in the order of the topic. */
static void hand_over(uv_check_t *check)
{
    struct topic *topic = check->data;
    const struct source_sink *sink = &topic->world->sink;
    for (size_t i = 0; i < topic->count; i++) {
        struct stored *stored = &topic->records[i];
        void *reader = stored->reader;
        if (!reader)
            continue;
        struct record record = record_of(stored);
        if (stored->gone) {
            record.value = record.key = (struct slice){NULL, 0};
            record.gone = true;
        }
        stored->reader = NULL;
        topic->read_again++;
        sink->take_again(sink->ctx, &record, reader);
    }
}

static struct topic *topic_open(struct deliver_options options)
{
    struct topic *topic = calloc(1, sizeof *topic);
    options.max_bytes = options.max_bytes ? options.max_bytes : BYTES;
    options.max_in_flight = 8;
    topic->world = world_with(options);
    uv_check_init(&topic->world->port->loop, &topic->check);
    topic->check.data = topic;
    uv_check_start(&topic->check, hand_over);
    uv_unref((uv_handle_t *)&topic->check);
    return topic;
}

/** All of it must be given back. */
static void topic_close(struct topic *topic)
{
    struct world *world = topic->world;
    uv_close((uv_handle_t *)&topic->check, NULL);
    deliver_free(world->deliver);
    world->deliver = NULL;
    assert_int_equal(world->done + world->dropped, topic->count);
    world->done = world->dropped = 0;
    world_free(world);
    for (size_t i = 0; i < topic->count; i++)
        buffer_clear(&topic->records[i].value);
    free(topic);
}

static struct stored *produce(struct topic *topic, struct event_text text)
{
    struct world *world = topic->world;
    struct stored *stored = &topic->records[topic->count];
    *stored = (struct stored){.given = {.ticket = {stored_settle, stored_read_again}, .world = world},
                              .topic = topic,
                              .change = text.change_log,
                              .offset = (int64_t)topic->count};
    snprintf(stored->id, sizeof stored->id, "org.runs-0-%zu", topic->count++);
    snprintf(stored->key, sizeof stored->key, "%s", text.key ? text.key : "");
    write_event(world, &text, &stored->value);
    struct record record = record_of(stored);
    world->sink.take(world->sink.ctx, &record, &stored->given.ticket);
    return stored;
}

static void produce_many(struct topic *topic, size_t count, struct event_text text)
{
    for (size_t i = 0; i < count; i++) {
        char run_id[16], path[32];
        snprintf(run_id, sizeof run_id, "r_%zu", topic->count);
        snprintf(path, sizeof path, "%s/%zu", text.path, topic->count);
        struct event_text own = text;
        own.run_id = run_id;
        own.path = path;
        produce(topic, own);
    }
}

static struct counters counters_of(const struct topic *topic)
{
    struct counters counters;
    deliver_counters(topic->world->deliver, &counters);
    return counters;
}

/** Lets go whatever is held, until so many records are done. */
static void let_all_go(struct topic *topic, size_t done)
{
    struct world *world = topic->world;
    for (size_t gone = 0; world->done < done;) {
        while (gone < world->held_count)
            let_go(world, gone++);
        run_for(world->port, 1);
    }
}

/* Tests */

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

/** Each is a destination of its own, and far below its share. */
static void many_names_that_refuse_leave_space_for_others(void **state)
{
    (void)state;
    enum { NAMES = 60 };
    struct topic *topic = topic_open((struct deliver_options){.retry = {.max_attempts = 3,
                                                                        .max_elapsed_ms = 600000,
                                                                        .initial_backoff_ms = 600000,
                                                                        .max_backoff_ms = 600000}});
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
    for (int change = 0; change < 2; change++) {
        struct topic *topic = topic_open((struct deliver_options){0});
        struct world *world = topic->world;
        struct rlimit before, none;
        produce(topic, (struct event_text){.run_id = "good", .path = "/ok", .to_other = true});
        run_until(world->port, &world->done, 1);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = (struct rlimit){.rlim_max = before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        produce_many(topic, 2, (struct event_text){.path = "/ok", .change_log = change});
        while (counters_of(topic).in_flight > 0)
            run_for(world->port, 1); /* no descriptor is left */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        while (world->sink.has_room(world->sink.ctx, 300)) /* of what is under way nothing can be kept */
            produce_many(topic, 1, (struct event_text){.path = "/hold", .to_other = true, .padding = 20000});
        world->port->turned_ms += 1500;
        PA_IGNORE(world->sink.has_room(world->sink.ctx, 300));
        assert_true(counters_of(topic).kept > 0);
        let_all_go(topic, topic->count);
        for (size_t i = 0; i < world->arrived; i++)
            assert_string_equal(world->attempts[i], "1");
        assert_int_equal(world->arrived, topic->count);
        assert_holds_nothing(world);
        topic_close(topic);
    }
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
        cmocka_unit_test(a_silent_destination_fills_its_share_and_nobody_elses),
        cmocka_unit_test(the_time_out_of_memory_counts_as_waiting),
        cmocka_unit_test(what_a_key_is_kept_of_comes_back_in_its_order),
        cmocka_unit_test(order_is_kept_at_a_silent_destination_too),
        cmocka_unit_test(what_has_left_the_topic_fails_and_its_run_hears_of_it),
        cmocka_unit_test(what_the_source_knows_to_be_gone_fails_where_it_stood),
        cmocka_unit_test(what_could_not_be_read_for_lack_of_memory_is_read_later),
        cmocka_unit_test(what_is_another_record_by_now_is_not_sent),
        cmocka_unit_test(attempts_are_kept),
        cmocka_unit_test(a_trace_that_began_here_is_the_same_when_the_record_is_read_again),
        cmocka_unit_test(many_names_that_refuse_leave_space_for_others),
        cmocka_unit_test(what_fell_silent_goes_out_of_memory_when_others_need_it),
        cmocka_unit_test(what_waits_for_a_connection_is_kept_until_its_time),
        cmocka_unit_test(where_nothing_drains_records_are_kept_before_they_are_mapped),
        cmocka_unit_test(what_cannot_be_read_again_stays_in_memory),
        cmocka_unit_test(references_are_bounded),
        cmocka_unit_test(others_go_on_while_references_are_full),
        cmocka_unit_test(what_is_kept_is_given_back_with_its_partition),
        cmocka_unit_test(where_a_kept_run_is_can_be_asked),
        cmocka_unit_test(a_cancelled_run_that_is_kept_ends_when_its_record_is_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
