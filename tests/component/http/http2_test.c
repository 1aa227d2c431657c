/* Endpoints that speak HTTP/2 as they please (RFC 9113): which requests are sent again, what is an answer,
 * and how floods end. With a libcurl that is too old for HTTP/2 there is nothing to test. */
#include "http2_world.h"
#include <signal.h>

enum { LARGE = 3 * 1024 * 1024 };

/* Which are sent again */

/** The first request is answered, the second one finds the connection closed without GOAWAY. */
static void close_on_the_second(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    if (whole && world->requests == 2 && world->how == RESET)
        endpoint_reset(peer);
    else if (whole && world->requests == 2)
        endpoint_close(peer, world->how == FIN);
    else if (whole)
        answer(peer, stream);
}

/** Which of the two it is depends on what libcurl has to say to the endpoint meanwhile. */
static bool is_lost(const struct world *world)
{
    return world->asker.result.failure == HTTP_RESET || world->asker.result.failure == HTTP_SEND;
}

static void a_used_connection_that_is_cut_has_its_request_sent_again_unless_that_is_forbidden(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    for (int how = 0; how < 2 * HOWS; how++) {
        bool never = how >= HOWS;
        struct world world;
        open_world(&world, never, close_on_the_second);
        world.how = how % HOWS;
        ask(&world);
        assert_string_equal(world.asker.body, "ok");
        assert_int_equal(world.asker.result.http_version, 20);
        ask(&world);
        assert_int_equal(is_lost(&world), never);
        assert_int_equal(world.asker.result.resent, !never);
        assert_int_equal(world.requests, never ? 2 : 3);
        close_world(&world);
    }
}

static void close_at_once(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    (void)stream;
    if (whole)
        endpoint_close(peer, false);
}

static void a_fresh_connection_that_is_cut_is_a_failure(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, close_at_once);
    ask(&world);
    assert_true(is_lost(&world));
    assert_true(world.asker.result.sent);
    assert_int_equal(world.requests, 1);
    close_world(&world);
}

/** RFC 9113, section 6.8: streams above the last one were not looked at. */
static void say_goaway(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    if (whole && world->requests == 1) {
        say_frame(peer, GOAWAY, 0, 0, SLICE_LITERAL("\0\0\0\0\0\0\0\0"));
    } else if (whole) {
        answer(peer, stream);
    }
}

static void a_request_above_goaways_last_stream_is_sent_again(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, say_goaway);
    ask(&world);
    assert_string_equal(world.asker.reason, "");
    assert_string_equal(world.asker.body, "ok");
    assert_true(world.asker.result.resent);
    assert_int_equal(world.requests, 2);
    close_world(&world);
}

/** Section 8.7. */
static void refuse_the_first(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    if (whole && world->requests == 1)
        say_frame(peer, RST_STREAM, 0, stream, SLICE_LITERAL("\0\0\0\x07"));
    else if (whole)
        answer(peer, stream);
}

static void a_refused_stream_is_sent_again(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, refuse_the_first);
    ask(&world);
    assert_string_equal(world.asker.body, "ok");
    assert_true(world.asker.result.resent);
    assert_int_equal(world.requests, 2);
    close_world(&world);
}

/** Any other error may be one that came of the processing. */
static void end_with_an_error(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    if (whole)
        say_frame(peer, RST_STREAM, 0, stream, SLICE_LITERAL("\0\0\0\x02"));
}

static void a_stream_that_fails_is_not_sent_again(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, end_with_an_error);
    for (size_t i = 1; i <= 2; i++) {
        ask(&world);
        assert_string_equal(http_failure_name(world.asker.result.failure), "reset");
        assert_int_equal(world.requests, i);
    }
    close_world(&world);
}

/* What is an answer */

/** Section 8.1: a whole answer, and then word that the rest of the request is not needed. */
static void answer_early(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    if (whole)
        return;
    if (world->how == 0)
        answer(peer, stream);
    else
        answer_head(peer, stream, true);
    say_frame(peer, RST_STREAM, 0, stream, SLICE_LITERAL("\0\0\0\0"));
}

static void a_whole_answer_counts_though_the_request_is_cut_off(void **state)
{
    (void)state;
    static char large[LARGE];
    if (!http_client_can_http2())
        skip();
    for (int empty = 0; empty <= 1; empty++) {
        struct world world;
        open_world(&world, false, answer_early);
        world.how = empty;
        begin(&world, (struct slice){large, sizeof large});
        asker_run(&world.asker, 1);
        assert_string_equal(world.asker.reason, "");
        assert_int_equal(world.asker.result.status, 200);
        assert_string_equal(world.asker.body, empty ? "" : "ok");
        close_world(&world);
    }
}

static void wait_for_word(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    struct world *world = peer->endpoint->ctx;
    if (whole)
        world->waiting[world->waiting_count++] = stream;
}

/** Begins so many requests over the one connection, whose streams wait then. */
static void begin_waiting(struct world *world, size_t count)
{
    size_t waiting = world->waiting_count + count;
    for (size_t i = 0; i < count; i++)
        begin(world, SLICE_LITERAL("{}"));
    while (world->waiting_count < waiting)
        uv_run(&world->asker.http.loop, UV_RUN_ONCE);
    assert_int_equal(world->asker.endpoint.connections, 1);
}

/** Without END_STREAM; `head`: its block. */
static void answer_a_part(struct endpoint_peer *peer, uint32_t stream, struct slice head)
{
    say_frame(peer, HEADERS, END_HEADERS, stream, head);
    say_frame(peer, DATA, 0, stream, SLICE_LITERAL("half"));
    say_frame(peer, RST_STREAM, 0, stream, SLICE_LITERAL("\0\0\0\0"));
}

#define STATUS_200 "\x88"
#define LENGTH "\x0f\x0d\x01" /* of one digit, which follows */

/** RST_STREAM without an error is no END_STREAM. Another stream of the connection goes on. */
static void a_stream_that_is_cut_without_an_error_is_no_answer(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    for (int cut = 0; cut <= 1; cut++)
        for (int whole_first = 0; whole_first <= 1; whole_first++) {
            struct world world;
            open_world(&world, false, wait_for_word);
            begin_waiting(&world, 1);
            answer(world.peer, world.waiting[0]);
            asker_run(&world.asker, 1);
            assert_string_equal(world.asker.body, "ok");
            begin_waiting(&world, 2);
            for (size_t i = 2; i <= 3; i++) {
                bool whole = (i == 2) == whole_first;
                uint32_t stream = world.waiting[whole ? 2 - cut : 1 + cut];
                if (whole)
                    answer(world.peer, stream);
                else
                    answer_a_part(world.peer, stream, SLICE_LITERAL(STATUS_200));
                asker_run(&world.asker, i);
                assert_string_equal(http_failure_name(world.asker.result.failure), whole ? "" : "reset");
                assert_string_equal(world.asker.body, whole ? "ok" : "half");
                assert_false(world.asker.result.resent);
            }
            assert_int_equal(world.asker.endpoint.connections, 1);
            close_world(&world);
        }
}

static void a_length_says_whether_such_a_stream_was_cut(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, wait_for_word);
    begin_waiting(&world, 1);
    answer_a_part(world.peer, world.waiting[0], SLICE_LITERAL(STATUS_200 LENGTH "9"));
    asker_run(&world.asker, 1);
    assert_string_equal(http_failure_name(world.asker.result.failure), "reset");
    begin_waiting(&world, 1);
    answer_a_part(world.peer, world.waiting[1], SLICE_LITERAL(STATUS_200 LENGTH "4"));
    asker_run(&world.asker, 2);
    assert_string_equal(world.asker.reason, "");
    assert_string_equal(world.asker.body, "half");
    close_world(&world);
}

/* Floods: they are no progress, and end with the deadline for silence */

static const struct flood {
    int type, flags;
    bool of_stream, after_head;
    struct slice payload;
} FLOODS[] = {
    {.type = PING, .payload = SLICE_LITERAL("12345678")},
    {.type = PING, .flags = ACK, .payload = SLICE_LITERAL("12345678")},
    {.type = WINDOW_UPDATE, .payload = SLICE_LITERAL("\0\0\0\x01")},
    {.type = WINDOW_UPDATE, .of_stream = true, .payload = SLICE_LITERAL("\0\0\0\x01")},
    {.type = PRIORITY, .of_stream = true, .payload = SLICE_LITERAL("\0\0\0\0\x10")},
    {.type = SETTINGS},
    {.type = DATA, .of_stream = true, .after_head = true},
    {.type = GOAWAY, .payload = SLICE_LITERAL("\x7f\xff\xff\xff\0\0\0\0")},
};

static void wait(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    if (whole && FLOODS[world->flood].after_head)
        answer_head(peer, stream, false);
}

/** As much as the connection takes, if it stands at all. */
static void pour(struct endpoint_peer *peer, const struct flood *flood)
{
    enum { FRAMES = 100 };
    char bytes[FRAMES * FRAME_MAX], sealed[sizeof bytes + 1024];
    size_t len = 0;
    for (int i = 0; i < FRAMES; i++)
        len += write_frame(bytes + len, flood->type, flood->flags, flood->of_stream ? 1 : 0, flood->payload);
    SSL_write(peer->ssl, bytes, (int)len);
    int count = BIO_read(SSL_get_wbio(peer->ssl), sealed, sizeof sealed);
    uv_buf_t out = uv_buf_init(sealed, count > 0 ? (unsigned)count : 0);
    uv_try_write((uv_stream_t *)&peer->tcp, &out, 1);
}

static void try_flood(int which)
{
    enum { TURN_MS = 5, GIVE_UP_MS = 120000 };
    struct world world;
    open_world(&world, false, wait);
    world.flood = which;
    begin(&world, SLICE_LITERAL("{}"));
    while (world.requests == 0)
        uv_run(&world.asker.http.loop, UV_RUN_ONCE);
    /* The client looks at its deadlines by the real clock, and turns may be as quick as they like. */
    for (int64_t end = clock_monotonic_ms(clock_system()) + GIVE_UP_MS;
         world.asker.done == 0 && clock_monotonic_ms(clock_system()) < end;) {
        if (world.asker.endpoint.peers)
            pour(world.asker.endpoint.peers, &FLOODS[which]);
        uv_run(&world.asker.http.loop, UV_RUN_ONCE);
        world.asker.http.now_ms += TURN_MS;
    }
    if (world.asker.done == 0 || world.asker.result.failure == HTTP_OK)
        fail_msg("flood %d goes on", which);
    close_world(&world);
}

static void floods_are_no_progress(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    for (size_t i = 0; i < sizeof FLOODS / sizeof *FLOODS; i++)
        try_flood((int)i);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_used_connection_that_is_cut_has_its_request_sent_again_unless_that_is_forbidden),
        cmocka_unit_test(a_fresh_connection_that_is_cut_is_a_failure),
        cmocka_unit_test(a_request_above_goaways_last_stream_is_sent_again),
        cmocka_unit_test(a_refused_stream_is_sent_again),
        cmocka_unit_test(a_stream_that_fails_is_not_sent_again),
        cmocka_unit_test(a_whole_answer_counts_though_the_request_is_cut_off),
        cmocka_unit_test(a_stream_that_is_cut_without_an_error_is_no_answer),
        cmocka_unit_test(a_length_says_whether_such_a_stream_was_cut),
        cmocka_unit_test(floods_are_no_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
