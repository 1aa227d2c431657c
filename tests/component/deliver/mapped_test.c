/* Deliveries with mappings and dead letters: what is sent, what is reported, and what is written before that.
 */
#include "deadletter/dead_letter.h"
#include "deliver/shared.h"
#include "observe/metrics.h"
#include "observe/runs.h"
#include "world.h"
#include <dirent.h>
#include <dlfcn.h>

/** The event's own URL, with what a mapping adds. */
#define URL "\"url\":\".payload.action.invocationMethod.url + \\\"/mapped\\\"\""

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"

typedef int queueing(uv_loop_t *, uv_work_t *, uv_work_cb, uv_after_work_cb);

/** Pieces of work that went to the thread pool. */
static size_t queued;

/** In front of libuv's. */
int uv_queue_work(uv_loop_t *loop, uv_work_t *work, uv_work_cb begin, uv_after_work_cb after)
{
    queued++;
    return ((queueing *)dlsym(RTLD_NEXT, "uv_queue_work"))(loop, work, begin, after);
}

struct mapped_world {
    struct world *world;
    struct mapper *mapper;
    struct dead_letters *letters;
    char folder[32];
};

static struct mapped_world mapped_new(const char *file, bool with_letters, struct deliver_options deliver)
{
    struct mapped_world mapped = {.folder = "/tmp/mapped-XXXXXX"};
    struct map_process_options options = {.file = slice_of(file), .cpu_ms = 200};
    struct mapper_options mapper = {0};
    struct buffer problems = {0}, warnings = {0};
    if (file && map_process_start(&options, &mapper.process, &problems, &warnings) != 0)
        fail_msg("%s", buffer_text(&problems));
    buffer_clear(&warnings);
    mapped.world = world_open();
    mapper.loop = &mapped.world->port->loop;
    mapped.mapper = file ? mapper_new(&mapper) : NULL;
    assert_non_null(mkdtemp(mapped.folder));
    struct dead_letters_options letters = {.loop = mapper.loop,
                                           .clock = clock_system(),
                                           .directory = mapped.folder,
                                           .max_bytes = 1 << 20,
                                           .first_backoff_ms = 5,
                                           .max_backoff_ms = 50,
                                           .secret = SLICE_LITERAL("secret")};
    struct error err = {0};
    mapped.letters = with_letters ? dead_letters_new(&letters, &err) : NULL;
    assert_int_equal(mapped.letters != NULL, with_letters);
    deliver.max_in_flight = 4;
    deliver.max_bytes = 1 << 20;
    deliver.mapper = mapped.mapper;
    deliver.mapping_file = file != NULL;
    deliver.dead_letters = mapped.letters;
    world_deliver(mapped.world, deliver);
    return mapped;
}

/** All that stands in the folder of dead letters; it is emptied. */
static void read_letters(const struct mapped_world *mapped, struct buffer *out)
{
    DIR *folder = opendir(mapped->folder);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[320], text[8192];
        snprintf(path, sizeof path, "%s/%s", mapped->folder, entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file) {
            buffer_append(out, text, fread(text, 1, sizeof text, file));
            fclose(file);
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove(path);
    }
    closedir(folder);
}

static void mapped_free(struct mapped_world *mapped)
{
    struct buffer rest = {0};
    assert_holds_nothing(mapped->world);
    if (mapped->mapper)
        mapper_close(mapped->mapper, NULL, NULL);
    if (mapped->letters)
        dead_letters_close(mapped->letters, NULL, NULL);
    world_free(mapped->world);
    read_letters(mapped, &rest);
    buffer_clear(&rest);
    rmdir(mapped->folder);
}

/** Delivers one event; the requests that Port had, without those for a token, one a line. */
static char *reported(struct mapped_world *mapped, struct event_text text)
{
    static char requests[8192];
    const struct fake_port *port = mapped->world->port;
    size_t len = 0;
    give(mapped->world, text);
    run_until(mapped->world->port, &mapped->world->done, mapped->world->done + 1);
    *requests = '\0';
    for (size_t i = 0; i < port->count; i++)
        if (!strstr(port->seen[i].target, "access_token"))
            len += (size_t)snprintf(requests + len, sizeof requests - len, "%s %s %s\n", port->seen[i].method,
                                    port->seen[i].target, port->seen[i].body);
    return requests;
}

static void what_its_mapping_says_is_sent_and_reported(void **state)
{
    (void)state;
    struct mapped_world mapped =
        mapped_new("[{" URL ",\"report\":{\"status\":\"\\\"FAILURE\\\"\",\"summary\":\"\\\"heard: \\\" + "
                   ".response.text\",\"link\":\"\\\"https://ci/1\\\"\",\"externalRunId\":\"\\\"e-1\\\"\"}}]",
                   false, (struct deliver_options){0});
    const char *requests = reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok"});
    assert_string_equal(mapped.world->paths[0], "/ok/mapped");
    assert_non_null(strstr(requests, "\"status\":\"FAILURE\""));
    assert_non_null(strstr(requests, "heard: {\\\"ok\\\":true}"));
    assert_non_null(strstr(requests, "https://ci/1"));
    assert_non_null(strstr(requests, "\"externalRunId\":\"e-1\""));
    mapped_free(&mapped);
}

/** What an endpoint answers with many bytes is written twice for a synchronous run: for its report's context,
 * and for whoever waits. */
static void a_long_answer_is_written_for_its_report_elsewhere(void **state)
{
    (void)state;
    struct mapped_world mapped =
        mapped_new("[{" URL ",\"report\":{\"summary\":\"\\\"zeros: \\\" + (.response.text | length | "
                   "tostring)\"}}]",
                   false, (struct deliver_options){0});
    const struct world *world = mapped.world;
    for (int synchronized = 0; synchronized < 2; synchronized++) {
        size_t before = queued, from = world->port->count, told = 0;
        give(mapped.world, (struct event_text){.run_id = synchronized ? "r_2" : "r_1",
                                               .path = "/zeros",
                                               .synchronized = synchronized});
        run_until(world->port, &mapped.world->done, world->done + 1);
        assert_int_equal(queued - before, 1 + synchronized);
        for (size_t i = from; i < world->port->count; i++)
            told += strstr(world->port->seen[i].body, "\"zeros: 60000\"") != NULL;
        assert_int_equal(told, 1);
    }
    mapped_free(&mapped);
}

static void what_is_withdrawn_while_its_context_is_written_is_given_back(void **state)
{
    (void)state;
    struct mapped_world mapped = mapped_new("[{" URL ",\"report\":{\"summary\":\".response.text\"}}]", false,
                                            (struct deliver_options){0});
    struct world *world = mapped.world;
    int mine = 0;
    size_t before = queued;
    size_t gone = give(world, (struct event_text){.run_id = "r_1", .path = "/zeros", .assignment = &mine});
    while (queued == before)
        uv_run(&world->port->loop, UV_RUN_ONCE);
    world->sink.withdraw(world->sink.ctx, &mine, true);
    assert_int_equal(world->given[gone].dropped, 1);
    mapped_free(&mapped);
}

static void its_query_goes_behind_the_url(void **state)
{
    (void)state;
    struct mapped_world mapped =
        mapped_new("[{" URL ",\"query\":\"{run: .context.runId}\"}]", false, (struct deliver_options){0});
    reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok"});
    assert_string_equal(mapped.world->paths[0], "/ok/mapped?run=r_1");
    mapped_free(&mapped);
}

static void a_mapping_without_a_report_leaves_the_usual_result(void **state)
{
    (void)state;
    struct mapped_world mapped = mapped_new("[{" URL "}]", false, (struct deliver_options){0});
    const char *requests =
        reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    assert_string_equal(mapped.world->paths[0], "/ok/mapped");
    assert_non_null(strstr(requests, "{\"status\":\"SUCCESS\"}"));
    mapped_free(&mapped);
}

static void a_report_that_does_not_end_is_left_out_as_a_whole(void **state)
{
    (void)state;
    struct mapped_world mapped = mapped_new(
        "[{" URL ",\"report\":{\"summary\":\"last(repeat(1))\",\"link\":\"\\\"https://ci/1\\\"\"}}]", false,
        (struct deliver_options){0});
    struct caught caught = logs_catch();
    const char *requests =
        reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    assert_null(strstr(requests, "\"link\""));
    assert_non_null(strstr(requests, "\"status\":\"SUCCESS\"")); /* the usual result */
    char *logged = logs_end(&caught);
    assert_non_null(strstr(logged, "processor time"));
    free(logged);
    const struct metrics *metrics = observer_metrics(mapped.world->observer);
    uint64_t mapped_events = 0;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        mapped_events += metrics->mapping_duration.counts[i];
    assert_int_equal(mapped_events, 1);
    assert_int_equal(metrics->mapping_failures[MAPPING_FAILED_REPORT], 1);
    assert_int_equal(metrics->mapping_failures[MAPPING_FAILED_REQUEST], 0);
    mapped_free(&mapped);
}

static void headers_beyond_the_bound_are_left_out_and_told(void **state)
{
    (void)state;
    struct mapped_world mapped =
        mapped_new("[{" URL ",\"report\":{\"summary\":\".response.headers | [has(\\\"X-0\\\"), "
                   "has(\\\"X-190\\\"), has(\\\"X-200\\\"), has(\\\"X-299\\\")] | tostring\"}}]",
                   false, (struct deliver_options){0});
    struct caught caught = logs_catch();
    const char *requests =
        reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/headers", .synchronized = true});
    assert_non_null(strstr(requests, "\"summary\":\"[true,true,false,false]"));
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "the answer has more headers than a mapping's report sees"), 1);
    assert_int_equal(occurrences(logged, " headers beyond the first 200"), 1);
    free(logged);
    mapped_free(&mapped);
}

static void an_expression_without_an_output_is_warned_of(void **state)
{
    (void)state;
    struct mapped_world mapped =
        mapped_new("[{" URL ",\"query\":{\"q\":\"empty\"},\"report\":{\"link\":\"empty\"}}]", false,
                   (struct deliver_options){0});
    struct caught caught = logs_catch();
    reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .synchronized = true});
    char *logged = logs_end(&caught);
    assert_non_null(strstr(logged, "query"));
    assert_non_null(strstr(logged, "link"));
    free(logged);
    mapped_free(&mapped);
}

static void what_no_mapping_wants_is_another_agents(void **state)
{
    (void)state;
    struct mapped_world mapped = mapped_new("[{\"enabled\":\".context.runId == \\\"r_1\\\"\"}]", false,
                                            (struct deliver_options){.miss_is_reported = true});
    assert_string_equal(reported(&mapped, (struct event_text){.run_id = "r_2", .path = "/ok", .key = "k"}),
                        "");
    assert_int_equal(mapped.world->arrived, 0);
    assert_int_equal(mapped.world->deliver->standing.unwanted, 1);
    reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .key = "k"}); /* its lane goes on */
    assert_string_equal(mapped.world->paths[0], "/ok");
    assert_int_equal(mapped.world->deliver->standing.unwanted, 0);
    mapped_free(&mapped);
}

static void what_no_mapping_wants_is_told_once_a_minute_as_a_count(void **state)
{
    (void)state;
    enum { MINUTE_MS = 60000 };
    struct mapped_world mapped = mapped_new("[{\"enabled\":false}]", false, (struct deliver_options){0});
    struct caught caught = logs_catch();
    for (int i = 0; i < 2; i++)
        reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok"});
    mapped.world->port->turned_ms += MINUTE_MS;
    schedule_fire(&mapped.world->deliver->schedule);
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"events that no mapping wants, within a minute\",\"count\":2"), 1);
    free(lines);
    mapped_free(&mapped);
}

static void one_whose_turn_in_its_lane_comes_before_its_mapping_is_sent_then(void **state)
{
    (void)state;
    struct mapped_world mapped =
        mapped_new("[{\"enabled\":\".context.runId == \\\"r_2\\\"\"}]", false, (struct deliver_options){0});
    give(mapped.world, (struct event_text){.run_id = "r_1", .path = "/ok", .key = "k"});
    give(mapped.world, (struct event_text){.run_id = "r_2", .path = "/ok", .key = "k"});
    run_until(mapped.world->port, &mapped.world->done, 2);
    assert_int_equal(mapped.world->arrived, 1);
    mapped_free(&mapped);
}

static void a_node_run_that_no_mapping_wants_fails_where_that_is_wanted(void **state)
{
    (void)state;
    for (int miss_is_reported = 0; miss_is_reported < 2; miss_is_reported++) {
        struct mapped_world mapped =
            mapped_new("[{\"enabled\":false}]", false,
                       (struct deliver_options){.miss_is_reported = miss_is_reported == 1});
        const char *requests = reported(&mapped, (struct event_text){.run_id = "wfnr_1", .path = "/ok"});
        if (miss_is_reported)
            assert_non_null(strstr(requests, "\"result\":\"FAILED\""));
        else
            assert_string_equal(requests, "");
        assert_int_equal(mapped.world->arrived, 0);
        mapped_free(&mapped);
    }
}

static void a_mapping_that_gives_no_request_fails_its_run(void **state)
{
    (void)state;
    static const struct {
        const char *file, *reason;
    } cases[] = {{"[{\"url\":\"7\"}]", "url"},
                 {"[{\"url\":\"\\\"ftp://svc/x\\\"\"}]", "http:// or https://"},
                 {"[{\"method\":\"\\\"TRACE\\\"\"}]", "TRACE"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapped_world mapped = mapped_new(cases[i].file, false, (struct deliver_options){0});
        const char *requests = reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok"});
        assert_non_null(strstr(requests, "\"status\":\"FAILURE\""));
        assert_non_null(strstr(requests, cases[i].reason));
        assert_int_equal(mapped.world->arrived, 0);
        mapped_free(&mapped);
    }
}

static void why_jq_made_no_url_is_remembered_of_the_run(void **state)
{
    (void)state;
    static const struct {
        const char *file, *cause;
    } cases[] = {{"[{\"url\":\".payload | error(\\\"no\\\")\"}]", "mapping 1, url: jq: "},
                 {"[{\"url\":\".payload.nothing\"}]", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mapped_world mapped = mapped_new(cases[i].file, false, (struct deliver_options){0});
        reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok"});
        const struct run_memory *runs = observer_run_memory(mapped.world->observer);
        const char *cause = run_memory_find(runs, SLICE_LITERAL("r_1"))->tries[0].cause;
        static const char fails[] = "mapping 1: the url is null; it must be a text";
        assert_int_equal(strncmp(cause, fails, sizeof fails - 1), 0);
        if (cases[i].cause)
            assert_non_null(strstr(cause, cases[i].cause));
        else
            assert_string_equal(cause, fails);
        mapped_free(&mapped);
    }
}

/* Dead letters */

static void has_letter(const struct mapped_world *mapped, const char *const words[])
{
    struct buffer text = {0};
    read_letters(mapped, &text);
    for (; *words; words++)
        if (!strstr(buffer_text(&text), *words))
            fail_msg("%s: %s", *words, buffer_text(&text));
    buffer_clear(&text);
}

static void what_failed_for_good_is_written_before_it_is_reported(void **state)
{
    (void)state;
    static const char *const words[] = {"org.runs", "r_1", "500", "/500?token=***", "\"key\":\"key\"", NULL};
    struct mapped_world mapped = mapped_new(NULL, true, (struct deliver_options){0});
    const char *requests =
        reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/500?token=x", .key = "key"});
    assert_non_null(strstr(requests, "\"status\":\"FAILURE\""));
    has_letter(&mapped, words);
    mapped_free(&mapped);
}

/** No letter can be written until the file in the folder's place is removed. */
static void put_file_in_place(const struct mapped_world *mapped)
{
    assert_int_equal(rmdir(mapped->folder), 0);
    FILE *file = fopen(mapped->folder, "we");
    assert_non_null(file);
    fclose(file);
}

static void the_line_says_that_a_letter_keeps_the_event_once_it_is_written(void **state)
{
    (void)state;
    struct mapped_world mapped = mapped_new(NULL, true, (struct deliver_options){0});
    struct world *world = mapped.world;
    struct caught caught = logs_catch();
    reported(&mapped, (struct event_text){.run_id = "r_kept", .path = "/500"});
    char *lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"msg\":\"webhook failed\""), 1);
    assert_int_equal(occurrences(lines, "\"dead_letter\":true"), 1);
    free(lines);
    struct buffer written = {0};
    read_letters(&mapped, &written);
    buffer_clear(&written);
    put_file_in_place(&mapped);
    caught = logs_catch();
    give(world, (struct event_text){.run_id = "r_held", .path = "/500", .traceparent = PARENT});
    while (!dead_letters_view(mapped.letters).failing)
        run_for(world->port, 1);
    world->port->turned_ms += 60000; /* and a slow machine has ten seconds more */
    deliver_tick(world->deliver);
    unlink(mapped.folder);
    run_until(world->port, &world->done, 2);
    lines = logs_end(&caught);
    assert_int_equal(occurrences(lines, "\"msg\":\"webhook failed\""), 1);
    assert_int_equal(occurrences(lines, "\"dead_letter\":false"), 1);
    assert_int_equal(occurrences(lines, "\"waited_for\":\"dead letter 6"), 1);
    const char *cannot = strstr(lines, "\"msg\":\"a dead letter cannot be written");
    assert_non_null(cannot);
    const char *trace = strstr(cannot, ",\"trace_id\":\"" TRACE "\"}");
    assert_true(trace && trace < strchr(cannot, '\n'));
    free(lines);
    mapped_free(&mapped);
}

static void a_letter_that_cannot_be_written_is_counted_and_holds_its_record(void **state)
{
    (void)state;
    struct mapped_world mapped = mapped_new(NULL, true, (struct deliver_options){0});
    struct world *world = mapped.world;
    struct counters counters = {0};
    put_file_in_place(&mapped);
    give(world, (struct event_text){.run_id = "r_1", .path = "/500", .key = "key"});
    while (counters.dead_letters_waiting == 0) {
        run_for(world->port, 1);
        deliver_counters(world->deliver, &counters);
    }
    assert_int_equal(counters.dead_letters_waiting, 1);
    assert_int_equal(counters.dead_letters_written, 0);
    assert_int_equal(world->done, 0);
    unlink(mapped.folder);
    run_until(world->port, &world->done, 1);
    deliver_counters(world->deliver, &counters);
    assert_int_equal(counters.dead_letters_waiting, 0);
    assert_int_equal(counters.dead_letters_written, 1);
    mapped_free(&mapped);
}

static void what_was_never_sent_is_written_too(void **state)
{
    (void)state;
    static const char *const words[] = {"r_1", "\"url\"", NULL};
    struct mapped_world mapped = mapped_new("[{\"url\":\"7\"}]", true, (struct deliver_options){0});
    reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .key = "key"});
    has_letter(&mapped, words);
    mapped_free(&mapped);
}

static void what_is_refused_for_a_member_that_comes_twice_is_written_as_it_came(void **state)
{
    (void)state;
    static const char *const words[] = {"r_1", "comes twice", "\\\"payload\\\":{}", NULL};
    struct mapped_world mapped = mapped_new(NULL, true, (struct deliver_options){0});
    reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .key = "key", .twice = true});
    has_letter(&mapped, words);
    mapped_free(&mapped);
}

static void what_succeeded_is_not_written(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct mapped_world mapped = mapped_new(NULL, true, (struct deliver_options){0});
    reported(&mapped, (struct event_text){.run_id = "r_1", .path = "/ok", .key = "key"});
    read_letters(&mapped, &text);
    assert_int_equal(text.len, 0);
    mapped_free(&mapped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_its_mapping_says_is_sent_and_reported),
        cmocka_unit_test(a_long_answer_is_written_for_its_report_elsewhere),
        cmocka_unit_test(what_is_withdrawn_while_its_context_is_written_is_given_back),
        cmocka_unit_test(its_query_goes_behind_the_url),
        cmocka_unit_test(a_mapping_without_a_report_leaves_the_usual_result),
        cmocka_unit_test(a_report_that_does_not_end_is_left_out_as_a_whole),
        cmocka_unit_test(headers_beyond_the_bound_are_left_out_and_told),
        cmocka_unit_test(an_expression_without_an_output_is_warned_of),
        cmocka_unit_test(what_no_mapping_wants_is_another_agents),
        cmocka_unit_test(what_no_mapping_wants_is_told_once_a_minute_as_a_count),
        cmocka_unit_test(one_whose_turn_in_its_lane_comes_before_its_mapping_is_sent_then),
        cmocka_unit_test(a_node_run_that_no_mapping_wants_fails_where_that_is_wanted),
        cmocka_unit_test(a_mapping_that_gives_no_request_fails_its_run),
        cmocka_unit_test(what_failed_for_good_is_written_before_it_is_reported),
        cmocka_unit_test(why_jq_made_no_url_is_remembered_of_the_run),
        cmocka_unit_test(the_line_says_that_a_letter_keeps_the_event_once_it_is_written),
        cmocka_unit_test(a_letter_that_cannot_be_written_is_counted_and_holds_its_record),
        cmocka_unit_test(what_was_never_sent_is_written_too),
        cmocka_unit_test(what_is_refused_for_a_member_that_comes_twice_is_written_as_it_came),
        cmocka_unit_test(what_succeeded_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
