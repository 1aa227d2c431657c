/* Streams of HTTP/2, and their connections, that end as the table of docs/operating.md has them (RFC 9113):
 * what of it is an answer, what is sent again, and what is told. */
#include "http2_world.h"
#include "promises.h"
#include <signal.h>

#define TITLE "| how an HTTP/2 stream ends, or its connection | first use | used before |\n"

enum { LARGE = 3 * 1024 * 1024, INTERNAL_ERROR = 2, REFUSED_STREAM = 7, CANCEL = 8, STAYS = HOWS };
enum part { NOTHING, HEAD, BODY, WHOLE };

static const struct ending {
    /** How the first cell of its row begins. */
    const char *row;
    /** What is said of an answer. */
    enum part part;
    /** RST_STREAM, or GOAWAY; SETTINGS: nothing. */
    int frame;
    /** Of RST_STREAM. */
    char code;
    /** The GOAWAY's last stream is the request's own; else the one before. */
    bool includes;
    /** STAYS: the connection does not end. */
    int how;
    /** When the head has come, of a request that goes on. */
    bool unsent;
    /** Once it has been answered, before the next request. */
    bool idle;
} ENDINGS[] = {
    {.row = "`REFUSED_STREAM`", .frame = RST_STREAM, .code = REFUSED_STREAM, .how = STAYS},
    {.row = "`REFUSED_STREAM`", .frame = RST_STREAM, .code = REFUSED_STREAM, .how = STAYS, .unsent = true},
    {.row = "`GOAWAY` with a last stream below", .frame = GOAWAY, .how = STAYS},
    {.row = "`GOAWAY` with a last stream below", .frame = GOAWAY, .how = FIN},
    {.row = "`GOAWAY` with a last stream below", .frame = GOAWAY, .how = STAYS, .unsent = true},
    {.row = "`GOAWAY` that leaves", .frame = GOAWAY, .includes = true, .how = FIN},
    {.row = "`GOAWAY` that leaves", .frame = GOAWAY, .includes = true, .how = RESET},
    {.row = "`RST_STREAM` with another", .frame = RST_STREAM, .code = INTERNAL_ERROR, .how = STAYS},
    {.row = "`RST_STREAM` with another", .frame = RST_STREAM, .code = CANCEL, .how = STAYS},
    {.row = "`RST_STREAM` with another", .frame = RST_STREAM, .how = STAYS},
    {.row = "`RST_STREAM` with another", .frame = RST_STREAM, .code = CANCEL, .how = STAYS, .unsent = true},
    {.row = "`RST_STREAM` with another", .part = HEAD, .frame = RST_STREAM, .code = CANCEL, .how = STAYS},
    {.row = "`RST_STREAM` with another", .part = BODY, .frame = RST_STREAM, .code = CANCEL, .how = STAYS},
    {.row = "`RST_STREAM` with another", .part = HEAD, .frame = RST_STREAM, .how = STAYS},
    {.row = "`RST_STREAM` with another", .part = BODY, .frame = RST_STREAM, .how = STAYS},
    {.row = "`RST_STREAM` with another", .part = BODY, .frame = RST_STREAM, .how = STAYS, .unsent = true},
    {.row = "closed without `GOAWAY`, or", .frame = SETTINGS, .how = FIN},
    {.row = "closed without `GOAWAY`, or", .frame = SETTINGS, .how = CUT},
    {.row = "closed without `GOAWAY`, or", .frame = SETTINGS, .how = RESET},
    {.row = "closed without `GOAWAY`, or", .frame = SETTINGS, .how = RESET, .unsent = true},
    {.row = "within the answer", .part = HEAD, .frame = SETTINGS, .how = FIN},
    {.row = "within the answer", .part = BODY, .frame = SETTINGS, .how = FIN},
    {.row = "within the answer", .part = BODY, .frame = SETTINGS, .how = CUT},
    {.row = "within the answer", .part = BODY, .frame = SETTINGS, .how = RESET},
    {.row = "after `END_STREAM`", .part = WHOLE, .frame = SETTINGS, .how = FIN},
    {.row = "after `END_STREAM`", .part = WHOLE, .frame = SETTINGS, .how = CUT},
    {.row = "after `END_STREAM`", .part = WHOLE, .frame = SETTINGS, .how = RESET},
    {.row = "after `END_STREAM`", .part = WHOLE, .frame = GOAWAY, .includes = true, .how = FIN},
    {.row = "after `END_STREAM`", .part = WHOLE, .frame = RST_STREAM, .how = STAYS, .unsent = true},
    {.row = "while nobody", .frame = SETTINGS, .how = FIN, .idle = true},
    {.row = "while nobody", .frame = SETTINGS, .how = CUT, .idle = true},
    {.row = "while nobody", .frame = SETTINGS, .how = RESET, .idle = true},
    {.row = "while nobody", .frame = GOAWAY, .includes = true, .how = STAYS, .idle = true},
};

static void say_part(struct endpoint_peer *peer, uint32_t stream, enum part part)
{
    if (part != NOTHING)
        answer_head(peer, stream, false);
    if (part == BODY)
        say_frame(peer, DATA, 0, stream, SLICE_LITERAL("ok"));
    if (part == WHOLE)
        say_frame(peer, DATA, END_STREAM, stream, SLICE_LITERAL("ok"));
}

static void end_as_said(struct endpoint_peer *peer, uint32_t stream, const struct ending *ending)
{
    char last[8] = {0}, code[4] = {0, 0, 0, ending->code};
    uint32_t number = ending->includes ? stream : stream < 2 ? 0 : stream - 2;
    last[3] = (char)number;
    say_part(peer, stream, ending->part);
    if (ending->frame == RST_STREAM)
        say_frame(peer, RST_STREAM, 0, stream, (struct slice){code, sizeof code});
    if (ending->frame == GOAWAY)
        say_frame(peer, GOAWAY, 0, 0, (struct slice){last, sizeof last});
    if (ending->how == RESET)
        endpoint_reset(peer);
    else if (ending->how != STAYS)
        endpoint_close(peer, ending->how == FIN);
}

/** The request that comes after `world->waiting_count` others ends so. */
static void answer_or_end(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    const struct ending *ending = &ENDINGS[world->how];
    if (world->requests != world->waiting_count + 1 || ending->idle) {
        if (whole)
            answer(peer, stream);
    } else if (whole != ending->unsent) {
        end_as_said(peer, stream, ending);
    }
}

static void open_ending(struct world *world, const struct ending *ending)
{
    open_world(world, false, answer_or_end);
    world->how = (int)(ending - ENDINGS);
}

static void try_idle_ending(const struct ending *ending, const char *promised, bool reused)
{
    struct world world;
    open_ending(&world, ending);
    for (int i = 0; i <= reused; i++)
        ask(&world);
    assert_int_equal(world.asker.endpoint.connections, 1);
    end_as_said(world.peer, world.stream, ending);
    asker_settle(&world.asker);
    ask(&world);
    assert_string_equal(promised, "the next request has a new connection; it may be logged as resent");
    assert_string_equal(world.asker.body, "ok");
    assert_int_equal(world.asker.endpoint.connections, 2);
    assert_int_equal(world.requests, reused + 2);
    close_world(&world);
}

static void try_ending(const struct ending *ending, const char *promised, bool reused)
{
    static char large[LARGE];
    struct world world;
    open_ending(&world, ending);
    if (reused) {
        world.waiting_count = 99;
        ask(&world);
        assert_string_equal(world.asker.body, "ok");
    }
    world.waiting_count = reused;
    size_t done = world.asker.done;
    begin(&world, ending->unsent ? (struct slice){large, sizeof large} : SLICE_LITERAL("{}"));
    asker_run(&world.asker, done + 1);
    bool resent = strcmp(promised, "sent again") == 0;
    bool answered = resent || strcmp(promised, "the answer") == 0;
    const char *failure = answered ? "" : ending->unsent && strstr(promised, "`send`") ? "send" : "reset";
    assert_true(answered || strncmp(promised, "`reset`", strlen("`reset`")) == 0);
    if (strcmp(http_failure_name(world.asker.result.failure), failure) != 0 ||
        world.asker.result.resent != resent || !world.asker.result.sent ||
        (answered && strcmp(world.asker.body, "ok") != 0) || world.asker.result.body_cut != HTTP_WHOLE ||
        world.requests != (size_t)reused + 1 + resent)
        fail_msg(
            "%s (part %d, frame %d, code %d, how %d, unsent %d), %s: '%s' %s, '%s', resent %d, %zu requests; "
            "promised: %s",
            ending->row, ending->part, ending->frame, ending->code, ending->how, ending->unsent,
            reused ? "used before" : "first use", http_failure_name(world.asker.result.failure),
            world.asker.reason, world.asker.body, world.asker.result.resent, world.requests, promised);
    /* Whatever came of it, the next one is not touched by it. */
    ask(&world);
    assert_string_equal(world.asker.body, "ok");
    close_world(&world);
}

/** However often it is refused. */
static void refuse(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    if (whole)
        say_frame(peer, RST_STREAM, 0, stream, SLICE_LITERAL("\0\0\0\x07"));
}

static void what_is_refused_again_and_again_is_sent_six_times_unless_that_is_forbidden(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    for (int never = 0; never <= 1; never++) {
        struct world world;
        open_world(&world, never, refuse);
        ask(&world);
        assert_string_equal(http_failure_name(world.asker.result.failure), "reset");
        assert_int_equal(world.asker.result.resent, !never);
        assert_int_equal(world.requests, never ? 1 : 6);
        assert_true(world.asker.result.refused);
        close_world(&world);
    }
}

/** The first time with another error: the endpoint may have done its work then. */
static void reset_then_refuse(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    const struct world *world = peer->endpoint->ctx;
    if (whole && world->requests == 2)
        endpoint_reset(peer);
    else if (whole && world->requests == 1)
        answer(peer, stream);
    else
        refuse(peer, stream, whole);
}

static void what_was_not_always_refused_is_not_refused(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, reset_then_refuse);
    ask(&world);
    assert_string_equal(world.asker.body, "ok");
    ask(&world);
    assert_string_equal(http_failure_name(world.asker.result.failure), "reset");
    assert_true(world.requests > 2);
    assert_false(world.asker.result.refused);
    close_world(&world);
}

static void answer_half_and_cut(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    if (!whole)
        return;
    say_part(peer, stream, BODY);
    endpoint_close(peer, false);
}

/** As where Port is asked: its answers are short, and their streams are not watched. */
static void half_an_answer_is_none_where_streams_are_not_watched(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world_with(&world, (struct http_client_options){.watches_streams = false}, answer_half_and_cut);
    ask(&world);
    assert_string_equal(http_failure_name(world.asker.result.failure), "reset");
    close_world(&world);
}

static int choose_http1(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in,
                        unsigned in_len, void *ctx)
{
    static const unsigned char chosen[] = "http/1.1";
    (void)ssl;
    (void)in;
    (void)in_len;
    (void)ctx;
    *out = chosen;
    *len = sizeof chosen - 1;
    return SSL_TLSEXT_ERR_OK;
}

static void answer_and_cut(struct endpoint_peer *peer, int n)
{
    (void)n;
    endpoint_say(peer, "HTTP/1.1 200 OK\r\n\r\nok");
    endpoint_close(peer, false);
}

/** The endpoint speaks HTTP/1.1 from then on. */
static void end_for_http1(struct endpoint_peer *peer, uint32_t stream, bool whole)
{
    struct endpoint *endpoint = peer->endpoint;
    if (!whole)
        return;
    SSL_CTX_set_alpn_select_cb(endpoint->tls, choose_http1, NULL);
    endpoint->heard = NULL;
    endpoint->asked = answer_and_cut;
    say_frame(peer, GOAWAY, 0, 0, (struct slice){"\0\0\0\0\0\0\0", 8});
    (void)stream;
}

static void what_was_lost_over_http2_may_be_answered_over_http1(void **state)
{
    (void)state;
    if (!http_client_can_http2())
        skip();
    struct world world;
    open_world(&world, false, end_for_http1);
    ask(&world);
    assert_string_equal(world.asker.body, "ok");
    assert_string_equal(http_failure_name(world.asker.result.failure), "");
    assert_int_equal(world.asker.result.body_cut, HTTP_CUT_UNSURE);
    assert_int_equal(world.asker.result.http_version, 11);
    assert_true(world.asker.result.resent);
    close_world(&world);
}

static void streams_that_end_keep_the_promises_of_the_document(void **state)
{
    (void)state;
    struct row rows[ROWS_MAX];
    if (!http_client_can_http2())
        skip();
    size_t count = read_table(TITLE, rows);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        struct row *row = row_of(rows, count, ENDINGS[i].row);
        row->endings++;
        for (int reused = 0; reused <= 1; reused++)
            (ENDINGS[i].idle ? try_idle_ending : try_ending)(&ENDINGS[i], row->cells[1 + reused], reused);
    }
    assert_all_tried(rows, count);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_that_end_keep_the_promises_of_the_document),
        cmocka_unit_test(what_is_refused_again_and_again_is_sent_six_times_unless_that_is_forbidden),
        cmocka_unit_test(what_was_not_always_refused_is_not_refused),
        cmocka_unit_test(half_an_answer_is_none_where_streams_are_not_watched),
        cmocka_unit_test(what_was_lost_over_http2_may_be_answered_over_http1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
