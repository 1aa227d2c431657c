/* Connections that say what nobody asked for, that are used again, and that give long answers. Over TCP and
 * TLS. */
#include "asker.h"
#include <curl/curl.h>
#include <signal.h>

enum { LATER_MS = 5 };

struct world {
    struct asker asker;
    const struct stray *stray;
    int moment;
    /** Behind this answer comes what nobody asked for. */
    int after;
    /** Of a TLS record, what has not been sent yet. */
    char rest[512];
    size_t rest_len;
    /** Connections that resumed a session. */
    size_t resumed;
    uv_timer_t timer;
    struct endpoint_peer *late;
};

static void open_world_on(struct world *world, enum way way, void (*asked)(struct endpoint_peer *, int))
{
    *world = (struct world){0};
    asker_open(&world->asker, (struct http_client_options){.redirects = HTTP_REDIRECTS_NONE}, way, asked,
               world);
    uv_timer_init(&world->asker.http.loop, &world->timer);
    world->timer.data = world;
}

static void open_world(struct world *world, bool tls, void (*asked)(struct endpoint_peer *, int))
{
    open_world_on(world, tls ? OWN_TLS : OWN_TCP, asked);
}

static void close_world(struct world *world)
{
    uv_close((uv_handle_t *)&world->timer, NULL);
    asker_close(&world->asker);
}

/* What nobody asked for */

struct stray {
    const char *bytes;
    size_t len;
};

#define STRAY(text)            \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct stray STRAYS[] = {
    STRAY("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"),
    STRAY("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    STRAY("HTTP/1.1 100 Continue\r\n\r\n"),
    STRAY("HTTP/1.1 200 OK\r\nContent-Le"),
    STRAY("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"),
    STRAY("\r\n"),
    STRAY("\n"),
    STRAY("H"),
    STRAY("\0"),
    STRAY("rest of a body that was longer than it said"),
};

enum moment {
    WITH_THE_ANSWER,
    BEHIND_THE_ANSWER,
    A_TURN_LATER,
    A_WHILE_LATER,
    JUST_BEFORE_THE_NEXT,
    WHILE_THE_NEXT_WAITS,
    WITH_A_FIN,
    WITH_A_RESET,
    IN_TWO_PIECES,
    AFTER_THE_NEXT_WAS_ANSWERED,
    /** Those from here on are not tried with libcurl's ordinary way. */
    OWN_MOMENTS,
    /** In a TLS record of its own. */
    IN_ONE_PIECE_WITH_THE_ANSWER = OWN_MOMENTS,
    /** A TLS record that has only begun to come when the next request is sent. */
    IN_HALF_A_RECORD,
    MOMENTS
};

static void say_stray(struct endpoint_peer *peer)
{
    struct world *world = peer->endpoint->ctx;
    endpoint_write(peer, world->stray->bytes, world->stray->len);
}

/** It may have been closed. */
static bool late_is_there(const struct world *world)
{
    return endpoint_has(&world->asker.endpoint, world->late);
}

static void say_later(uv_timer_t *timer)
{
    struct world *world = timer->data;
    if (late_is_there(world))
        say_stray(world->late);
}

static void write_raw(struct endpoint_peer *peer, char *bytes, size_t len)
{
    uv_buf_t out = uv_buf_init(bytes, (unsigned)len);
    assert_int_equal(uv_try_write((uv_stream_t *)&peer->tcp, &out, 1), (int)len);
}

/** Over TLS; the rest comes when the next request has. */
static void say_half(struct world *world)
{
    struct endpoint_peer *peer = world->late;
    if (!peer->ssl) {
        say_stray(peer);
        return;
    }
    assert_true(SSL_write(peer->ssl, world->stray->bytes, (int)world->stray->len) > 0);
    int len = BIO_read(SSL_get_wbio(peer->ssl), world->rest, sizeof world->rest);
    assert_in_range(len, 12, sizeof world->rest - 1);
    write_raw(peer, world->rest, (size_t)len / 2);
    world->rest_len = (size_t)len - (size_t)len / 2;
    memmove(world->rest, world->rest + len / 2, world->rest_len);
}

static void answer_and_more(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    int after = world->after + (world->moment == AFTER_THE_NEXT_WAS_ANSWERED);
    if (n != after) {
        if (peer == world->late && world->rest_len > 0)
            write_raw(peer, world->rest, world->rest_len);
        world->rest_len = 0;
        endpoint_answer(peer, n);
        return;
    }
    world->late = peer;
    if (world->moment == IN_ONE_PIECE_WITH_THE_ANSWER && peer->ssl) {
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n";
        char whole[sizeof answer + 1];
        int len = snprintf(whole, sizeof whole, "%s%d", answer, n);
        assert_int_equal(SSL_write(peer->ssl, whole, len), len);
        say_stray(peer);
        return;
    }
    if (world->moment == WITH_THE_ANSWER || world->moment == IN_ONE_PIECE_WITH_THE_ANSWER) {
        char both[512];
        int len = snprintf(both, sizeof both, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n);
        memcpy(both + len, world->stray->bytes, world->stray->len);
        endpoint_write(peer, both, (size_t)len + world->stray->len);
        return;
    }
    endpoint_answer(peer, n);
    if (world->moment == BEHIND_THE_ANSWER || world->moment == AFTER_THE_NEXT_WAS_ANSWERED)
        say_stray(peer);
    else if (world->moment == A_TURN_LATER || world->moment == A_WHILE_LATER)
        uv_timer_start(&world->timer, say_later, world->moment == A_TURN_LATER ? 0 : LATER_MS, 0);
    else if (world->moment == IN_TWO_PIECES)
        endpoint_write(peer, world->stray->bytes, world->stray->len / 2);
}

/** What happens between the first answer and the second request. */
static void between(struct world *world)
{
    if (world->moment == A_WHILE_LATER || world->moment == IN_TWO_PIECES)
        asker_settle(&world->asker);
    if (!late_is_there(world))
        return;
    switch (world->moment) {
    case JUST_BEFORE_THE_NEXT:
        say_stray(world->late);
        break;
    case IN_ONE_PIECE_WITH_THE_ANSWER:
        while (world->asker.endpoint.peers) /* it is closed before anybody wants to use it */
            uv_run(&world->asker.http.loop, UV_RUN_ONCE);
        break;
    case IN_HALF_A_RECORD:
        say_half(world);
        break;
    case WITH_A_FIN:
        say_stray(world->late);
        endpoint_close(world->late, true);
        break;
    case WITH_A_RESET:
        say_stray(world->late);
        endpoint_reset(world->late);
        break;
    case IN_TWO_PIECES:
        endpoint_write(world->late, world->stray->bytes, world->stray->len);
        break;
    default:
        break;
    }
}

static void try_stray(enum way way, const struct stray *stray, int moment, int after)
{
    struct world world;
    open_world_on(&world, way, answer_and_more);
    world.stray = stray;
    world.moment = moment;
    world.after = after;
    for (int n = 1; n <= after + 3; n++) {
        char number[16];
        if (n == after + 1)
            between(&world);
        asker_post(&world.asker, n, SLICE_LITERAL("{}"));
        if (n == after + 1 && moment == WHILE_THE_NEXT_WAITS && late_is_there(&world))
            say_stray(world.late);
        asker_run(&world.asker, (size_t)n);
        snprintf(number, sizeof number, "%d", n);
        if (world.asker.result.failure != HTTP_OK || strcmp(world.asker.body, number) != 0 ||
            world.asker.result.resent)
            fail_msg("way %d, '%.20s', moment %d after %d, request %d: %s, '%s', resent %d", way,
                     stray->bytes, moment, after, n, http_failure_name(world.asker.result.failure),
                     world.asker.body, world.asker.result.resent);
    }
    assert_int_equal(world.asker.endpoint.requests, after + 3); /* each once */
    close_world(&world);
}

static void no_answer_ever_reaches_another_request(void **state)
{
    (void)state;
    /* Before its version 8 libcurl has no connection that is used again. */
    int ways = curl_version_info(CURLVERSION_NOW)->version_num < 0x080000 ? LIBCURL_TCP : WAYS;
    for (int way = 0; way < ways; way++)
        for (size_t i = 0; i < sizeof STRAYS / sizeof *STRAYS; i++)
            for (int moment = 0; moment < (way < LIBCURL_TCP ? MOMENTS : OWN_MOMENTS); moment++)
                for (int after = 1; after <= 1 + (way == OWN_TLS && i < 3); after++)
                    try_stray(way, &STRAYS[i], moment, after);
}

/* What TLS says for itself */

enum { NEW_TICKET, NEW_KEY, NEW_HANDSHAKE, OWN_WORDS };

static void say_own_words(struct endpoint_peer *peer, int words)
{
    if (words == NEW_TICKET)
        assert_int_equal(SSL_new_session_ticket(peer->ssl), 1);
    else if (words == NEW_KEY)
        assert_int_equal(SSL_key_update(peer->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    else
        assert_int_equal(SSL_renegotiate(peer->ssl), 1);
    assert_int_equal(SSL_do_handshake(peer->ssl), 1);
    endpoint_flush(peer);
}

static void answer_behind_own_words(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    world->late = peer;
    if (world->moment == WHILE_THE_NEXT_WAITS && n % 2 == 0)
        say_own_words(peer, world->after);
    endpoint_answer(peer, n);
}

static void try_own_words(int words, int moment)
{
    struct world world;
    open_world(&world, true, answer_behind_own_words);
    SSL_CTX_set_max_proto_version(world.asker.endpoint.tls, words == NEW_HANDSHAKE ? TLS1_2_VERSION : 0);
    world.moment = moment;
    world.after = words;
    for (int n = 1; n <= 6; n++) {
        char number[16];
        if (n > 1 && n % 2 == 0 && moment != WHILE_THE_NEXT_WAITS)
            say_own_words(world.late, words);
        if (moment == A_WHILE_LATER)
            asker_settle(&world.asker);
        asker_post(&world.asker, n, SLICE_LITERAL("{}"));
        asker_run(&world.asker, (size_t)n);
        snprintf(number, sizeof number, "%d", n);
        assert_string_equal(world.asker.body, number);
        assert_false(world.asker.result.resent);
    }
    assert_int_equal(world.asker.endpoint.connections, 1);
    close_world(&world);
}

static void what_tls_says_for_itself_is_no_answer_and_no_end(void **state)
{
    (void)state;
    for (int words = 0; words < OWN_WORDS; words++) {
        try_own_words(words, A_WHILE_LATER);
        try_own_words(words, JUST_BEFORE_THE_NEXT);
        try_own_words(words, WHILE_THE_NEXT_WAITS);
    }
}

/* Sessions */

static void answer_once(struct endpoint_peer *peer, int n)
{
    struct world *world = peer->endpoint->ctx;
    (void)n;
    world->resumed += SSL_session_reused(peer->ssl) == 1;
    endpoint_say(peer, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

/** Not before libcurl 8.8: call.c says why. */
static void connections_that_are_begun_at_once_all_resume_a_session(void **state)
{
    enum { ROUNDS = 3 };
    bool resumes = curl_version_info(CURLVERSION_NOW)->version_num >= 0x080800;
    struct world world;
    (void)state;
    open_world(&world, true, answer_once);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (int n = 1; n <= ASKER_CONNECTIONS; n++)
            asker_post(&world.asker, n, SLICE_LITERAL("{}"));
        asker_run(&world.asker, (round + 1) * ASKER_CONNECTIONS);
        assert_int_equal(world.asker.endpoint.connections, (round + 1) * ASKER_CONNECTIONS);
        assert_int_equal(world.resumed, resumes ? round * ASKER_CONNECTIONS : 0);
    }
    close_world(&world);
}

static void plain_answer(struct endpoint_peer *peer, int n)
{
    endpoint_answer(peer, n);
}

static void connections_are_used_again(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        struct world world;
        open_world(&world, tls, plain_answer);
        for (int n = 1; n <= 5; n++) {
            asker_post(&world.asker, n, SLICE_LITERAL("{}"));
            asker_run(&world.asker, (size_t)n);
            if (n == 3)
                asker_settle(&world.asker);
        }
        assert_int_equal(world.asker.endpoint.connections, 1);
        for (int n = 6; n <= 25; n++)
            asker_post(&world.asker, n, SLICE_LITERAL("{}"));
        asker_run(&world.asker, 25);
        asker_settle(&world.asker);
        size_t open = 0;
        for (struct endpoint_peer *peer = world.asker.endpoint.peers; peer; peer = peer->next)
            open++;
        assert_int_equal(open, 8); /* max_connections */
        close_world(&world);
    }
}

/* Long answers */

enum { LONG_ANSWER = 1024 * 1024, ALL_ANSWERS = 8 * LONG_ANSWER, STREAM_BYTES = 600 * 1024 };

struct turns {
    uv_check_t check;
    struct http_client *client;
    size_t last, most;
};

static void look_at_turn(uv_check_t *check)
{
    struct turns *turns = check->data;
    size_t now = http_client_body_bytes(turns->client);
    if (now > turns->last && now - turns->last > turns->most)
        turns->most = now - turns->last;
    turns->last = now;
}

/** Without its length, so that space is taken as bytes come. */
static void long_answer(struct endpoint_peer *peer, int n)
{
    (void)n;
    char head[128], *bytes = malloc(STREAM_BYTES);
    assert_non_null(bytes);
    memset(bytes, 'x', STREAM_BYTES);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", STREAM_BYTES);
    endpoint_say(peer, head);
    endpoint_write(peer, bytes, STREAM_BYTES);
    endpoint_say(peer, "\r\n0\r\n\r\n");
    free(bytes);
}

/** However much of it is there already. */
static void a_turn_reads_a_part_of_an_answer(void **state)
{
    (void)state;
    for (int tls = 0; tls <= 1; tls++) {
        struct world world = {0};
        asker_open(&world.asker,
                   (struct http_client_options){.max_response_bytes = LONG_ANSWER,
                                                .total_response_bytes = ALL_ANSWERS},
                   tls ? OWN_TLS : OWN_TCP, long_answer, &world);
        struct turns turns = {.client = world.asker.http.client};
        uv_check_init(&world.asker.http.loop, &turns.check);
        turns.check.data = &turns;
        uv_check_start(&turns.check, look_at_turn);
        for (int n = 1; n <= 3; n++) { /* the second and third over a connection that was used before */
            asker_post(&world.asker, n, SLICE_LITERAL("{}"));
            asker_run(&world.asker, (size_t)n);
            assert_int_equal(world.asker.result.failure, HTTP_OK);
            assert_int_equal(world.asker.result.body.len, STREAM_BYTES);
        }
        assert_in_range(turns.most, 1, 256 * 1024);
        assert_int_equal(world.asker.endpoint.connections, 1);
        uv_close((uv_handle_t *)&turns.check, NULL);
        asker_close(&world.asker);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_answer_ever_reaches_another_request),
        cmocka_unit_test(what_tls_says_for_itself_is_no_answer_and_no_end),
        cmocka_unit_test(connections_that_are_begun_at_once_all_resume_a_session),
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(a_turn_reads_a_part_of_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
