/* What RFC 9110 and RFC 9112 say of a response, an item after another, on both ways that it may be read: the
 * agent's own exchange, and libcurl's ordinary way behind the same http_start; each over TCP and TLS.
 * docs/testing.md lists the items. */
#include "asker.h"
#include <curl/curl.h>
#include <signal.h>

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

struct example {
    const char *says;
    /** NULL: POST. */
    const char *method;
    /** The connection ends after it. */
    bool closes;
    /** What comes of it; NULL: a response. */
    const char *failure;
    int status;
    const char *body;
    /** NULL: not looked at. */
    const char *headers;
    /** The exchange uses the connection no more. */
    bool last;
    /** On libcurl's ordinary way it is `protocol`; with an old libcurl alone. */
    bool refused_by_libcurl, refused_by_old_libcurl;
};

struct world {
    struct asker asker;
    enum way way;
    struct slice says;
    bool closes;
};

static bool is_own(const struct world *world)
{
    return world->way == OWN_TCP || world->way == OWN_TLS;
}

/** The first request gets what the example says, the second its number. */
static void say_example(struct endpoint_peer *peer, int n)
{
    const struct world *world = peer->endpoint->ctx;
    if (n != 1) {
        endpoint_answer(peer, n);
        return;
    }
    endpoint_write(peer, world->says.ptr, world->says.len);
    if (world->closes)
        endpoint_close(peer, true);
}

static void open_world(struct world *world, enum way way)
{
    *world = (struct world){.way = way};
    asker_open(&world->asker, (struct http_client_options){.redirects = HTTP_REDIRECTS_NONE}, way,
               say_example, world);
}

static void ask(struct world *world, int n, const char *method)
{
    struct http_request request = {.method = method, .keep_headers = true};
    if (!method)
        request.body = SLICE_LITERAL("{}");
    size_t done = world->asker.done;
    asker_begin(&world->asker, world->asker.endpoint.tls ? "https" : "http", n, request);
    asker_run(&world->asker, done + 1);
}

/** It is answered with its own number. `apart`: on a new connection, though libcurl may pass over bytes that
 * came behind the answer before, and use its connection again. */
static void next_is_not_touched(struct world *world, const struct example *example, bool apart)
{
    size_t before = world->asker.endpoint.connections, requests = world->asker.endpoint.requests;
    ask(world, 2, NULL);
    size_t made = world->asker.endpoint.connections - before;
    if (world->asker.result.failure != HTTP_OK || strcmp(world->asker.body, "2") != 0 ||
        world->asker.endpoint.requests != requests + 1 || (is_own(world) && made != apart))
        fail_msg("way %d, after '%s': %s '%s', %zu connections", world->way, example->says,
                 world->asker.reason, world->asker.body, made);
}

static void try_example(struct world *world, const struct example *example)
{
    bool old = curl_version_info(CURLVERSION_NOW)->version_num < 0x080300;
    bool refused =
        !is_own(world) && (example->refused_by_libcurl || (example->refused_by_old_libcurl && old));
    const char *failure = refused ? "protocol" : example->failure ? example->failure : "";
    world->says = slice_of(example->says);
    world->closes = example->closes;
    ask(world, 1, example->method);
    const struct asker *asker = &world->asker;
    bool right = strcmp(http_failure_name(asker->result.failure), failure) == 0;
    if (!*failure)
        right = right && asker->result.status == example->status && strcmp(asker->body, example->body) == 0 &&
                (!example->headers || strcmp(asker->headers, example->headers) == 0) &&
                asker->result.http_version == (strstr(example->says, "HTTP/1.0") ? 10 : 11) &&
                asker->result.body_cut == HTTP_WHOLE && !asker->result.resent;
    if (!right)
        fail_msg("way %d, '%s': '%s' (%s), status %d, body '%s', headers '%s', resent %d", world->way,
                 example->says, http_failure_name(asker->result.failure), asker->reason, asker->result.status,
                 asker->body, asker->headers, asker->result.resent);
    next_is_not_touched(world, example, example->failure || example->closes || example->last);
}

static void try_all(const struct example *examples, size_t count)
{
    for (enum way way = 0; way < WAYS; way++) {
        struct world world;
        open_world(&world, way);
        for (size_t i = 0; i < count; i++)
            try_example(&world, &examples[i]);
        asker_close(&world.asker);
    }
}

#define TRY(examples) try_all(examples, sizeof(examples) / sizeof *(examples))

/** RFC 9110, section 15.2. */
static void interim_answers_come_before_the_answer(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = "HTTP/1.1 100 Continue\r\n\r\n" OK "X-A: a\r\nContent-Length: 2\r\n\r\nok",
         .status = 200,
         .body = "ok",
         .headers = "X-A: a\r\nContent-Length: 2\r\n"},
        {.says = "HTTP/1.1 102 P\r\n\r\nHTTP/1.1 103 E\r\nLink: a\r\nContent-Length: 9\r\n\r\n"
                 "HTTP/1.1 404 N\r\nContent-Length: 2\r\n\r\nno",
         .status = 404,
         .body = "no",
         .headers = "Content-Length: 2\r\n"},
        {.says = "HTTP/1.1 103\r\n\r\nHTTP/1.1 204 N\r\n\r\n", .status = 204, .body = ""},
        {.says = "HTTP/1.1 100 Continue\r\n\r\n", .closes = true, .failure = "reset"},
        /* Nobody asked for another protocol (section 7.8). */
        {.says = "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", .closes = true, .failure = "protocol"},
    };
    TRY(examples);
}

/** RFC 9110, sections 15.3.5 and 15.4.5; RFC 9112, section 6.3, item 1. */
static void some_statuses_have_no_body(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = "HTTP/1.1 204 N\r\n\r\n", .status = 204, .body = ""},
        {.says = "HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", .status = 204, .body = ""},
        {.says = "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 204, .body = ""},
        {.says = "HTTP/1.1 304 N\r\nETag: x\r\n\r\n", .status = 304, .body = "", .headers = "ETag: x\r\n"},
        {.says = "HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n", .status = 304, .body = ""},
        {.says = "HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n", .status = 304, .body = ""},
        {.says = "HTTP/1.1 204 N\r\n\r\nbody", .status = 204, .body = "", .last = true},
    };
    TRY(examples);
}

/** RFC 9110, section 9.3.2; RFC 9112, section 6.3, item 1. */
static void an_answer_to_head_has_no_body(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.method = "HEAD",
         .says = OK "Content-Length: 5\r\n\r\n",
         .status = 200,
         .body = "",
         .headers = "Content-Length: 5\r\n"},
        {.method = "HEAD", .says = CHUNKED, .status = 200, .body = ""},
        {.method = "HEAD", .says = OK "\r\n", .status = 200, .body = ""},
        {.method = "HEAD",
         .says = "HTTP/1.1 404 N\r\nConnection: close\r\n\r\n",
         .status = 404,
         .body = "",
         .last = true},
        {.method = "HEAD",
         .says = OK "Content-Length: 5\r\n\r\nhello",
         .status = 200,
         .body = "",
         .last = true},
    };
    TRY(examples);
}

/** RFC 9112, sections 7.1, 7.1.1 (extensions) and 7.1.2 (trailers). */
static void chunks_have_extensions_and_trailers(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = CHUNKED "1\r\no\r\n00001\r\nk\r\n000\r\n\r\n", .status = 200, .body = "ok"},
        {.says = CHUNKED "2;a=b;c=\"d;e\"\r\nok\r\n0;last\r\n\r\n", .status = 200, .body = "ok"},
        {.says = CHUNKED "2 ;a\r\nok\r\n0\r\n\r\n", .status = 200, .body = "ok"},
        {.says = CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", .status = 200, .body = "0123456789"},
        /* Trailers are no headers. */
        {.says = CHUNKED "2\r\nok\r\n0\r\nX-Trailer: t\r\nContent-Length: 9\r\n\r\n",
         .status = 200,
         .body = "ok",
         .headers = "Transfer-Encoding: chunked\r\n"},
        {.says = CHUNKED "2\r\nok\r\n0\r\n\r\nHTTP/1.1 500 S\r\n\r\n",
         .status = 200,
         .body = "ok",
         .last = true},
        {.says = CHUNKED "2\r\nok\r\n0\r\n", .closes = true, .failure = "reset"},
        {.says = CHUNKED "5\r\nok", .closes = true, .failure = "reset"},
        {.says = CHUNKED "x\r\nok\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "ffffffffffffffffff\r\nok\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "2\r\nokay\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED " 2\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "+2\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "-2\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "0x2\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "2_\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "2 3\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED ";a\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "\r\n2\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "2\r;\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "2\r\nok\r0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "2\r\nok\r\n\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "10000000000000002\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "8000000000000002\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = CHUNKED "100000002\r\nok\r\n0\r\n\r\n", .closes = true, .failure = "reset"},
        {.says = CHUNKED "2\r\nok\r\n0\r\nX: \r\n y\r\n\r\n", .status = 200, .body = "ok"},
        {.says = CHUNKED "2\r\nok0\r\n\r\n", .closes = true, .failure = "protocol"},
    };
    TRY(examples);
}

/** RFC 9110, section 7.6.1; RFC 9112, sections 9.3 and 9.6. */
static void a_connection_is_used_again_where_both_sides_say_so(void **state)
{
    (void)state;
#define EMPTY "Content-Length: 0\r\n\r\n"
    static const struct example examples[] = {
        {.says = OK EMPTY, .status = 200, .body = ""},
        {.says = OK "Connection: Keep-Alive\r\n" EMPTY, .status = 200, .body = ""},
        {.says = OK "Connection: closed\r\n" EMPTY, .status = 200, .body = ""},
        {.says = OK "Connection: close\r\n" EMPTY, .status = 200, .body = "", .last = true},
        {.says = OK "Connection: CLOSE\r\n" EMPTY, .status = 200, .body = "", .last = true},
        {.says = OK "Connection: x, close ,y\r\n" EMPTY, .status = 200, .body = "", .last = true},
        {.says = OK "Connection: x\r\nConnection: close\r\n" EMPTY, .status = 200, .body = "", .last = true},
        {.says = OK "Connection: keep-alive, close\r\n" EMPTY, .status = 200, .body = "", .last = true},
        {.says = "HTTP/1.0 200 OK\r\n" EMPTY, .status = 200, .body = "", .last = true},
        {.says = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" EMPTY, .status = 200, .body = ""},
    };
    TRY(examples);
}

/** RFC 9112, section 6.3, its last paragraph, and section 9.2. */
static void what_follows_an_answer_is_nobodys(void **state)
{
    (void)state;
#define SMUGGLED "HTTP/1.1 500 Smuggled\r\nContent-Length: 1\r\n\r\nx"
    static const struct example examples[] = {
        {.says = OK "Content-Length: 2\r\n\r\nok" SMUGGLED, .status = 200, .body = "ok", .last = true},
        {.says = OK "Content-Length: 2\r\n\r\nok\r\n", .status = 200, .body = "ok", .last = true},
        {.says = OK "Content-Length: 0\r\n\r\n" SMUGGLED, .status = 200, .body = "", .last = true},
        {.says = "HTTP/1.1 204 N\r\n\r\n" SMUGGLED, .status = 204, .body = "", .last = true},
        {.says = CHUNKED "0\r\n\r\n" SMUGGLED, .status = 200, .body = "", .last = true},
    };
    TRY(examples);
}

/** RFC 9112, section 5.2. */
static void a_header_may_go_on_in_the_next_line(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = OK "X-A: one\r\n two\r\n\t three\r\nX-B: b\r\nContent-Length: 2\r\n\r\nok",
         .status = 200,
         .body = "ok",
         .headers = "X-A: one two three\r\nX-B: b\r\nContent-Length: 2\r\n"},
        {.says = OK "X-A: one\r\n \r\nContent-Length: 2\r\n\r\nok",
         .status = 200,
         .body = "ok",
         .headers = "X-A: one\r\nContent-Length: 2\r\n"},
        /* Before the first header: passed over (section 2.2). */
        {.says = OK " Content-Length: 9\r\n\tX: x\r\nContent-Length: 2\r\n\r\nok",
         .status = 200,
         .body = "ok",
         .headers = "Content-Length: 2\r\n",
         .refused_by_old_libcurl = true},
        {.says = OK "X-A:\r\n one\r\nContent-Length: 2\r\n\r\nok",
         .status = 200,
         .body = "ok",
         .headers = "X-A: one\r\nContent-Length: 2\r\n"},
        /* What frames a body may be folded too, and must not be read in two ways. */
        {.says = OK "Content-Length: 2\r\n 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Transfer-Encoding:\r\n chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         .closes = true,
         .status = 200,
         .body = "ok",
         .refused_by_libcurl = true},
    };
    TRY(examples);
}

/** RFC 9112, sections 6.1 and 6.3, items 3 to 6. */
static void lengths_that_disagree_are_no_answer(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
         .closes = true,
         .failure = "protocol"},
        {.says = OK "Content-Length: 3\r\nContent-Length: 2\r\n\r\nok",
         .closes = true,
         .failure = "protocol"},
        {.says = OK "Content-Length: 2, 3\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: -2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: +2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 2x\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 2 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 2;2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 0x2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 2.0\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: \"2\"\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 18446744073709551618\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 002\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = OK "Content-Length:\t2 \t\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = OK "Content-Length: 2\r\nContent-Length: 2, 2\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = OK "Content-Length: 2\r\nContent-Length: 2, 3\r\n\r\nok",
         .closes = true,
         .failure = "protocol"},
        {.says = OK "Content-Length:\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = OK "Content-Length: 2, 2\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = OK "Content-Length : 2\r\n\r\nok", .closes = true, .failure = "protocol"}, /* section 5.1 */
        {.says = OK "Content-Length: 3\r\n\r\nok", .closes = true, .failure = "reset"},
        {.says = OK "\r\nall of it", .closes = true, .status = 200, .body = "all of it"},
        /* A transfer coding counts, and the connection is not used again. */
        {.says = OK "Content-Length: 90\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         .status = 200,
         .body = "ok",
         .last = true},
        {.says = OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         .status = 200,
         .body = "ok",
         .last = true},
        {.says = OK "Transfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
         .closes = true,
         .failure = "protocol"},
    };
    TRY(examples);
}

/** RFC 9112, section 2.2. */
static void lines_may_end_in_lf_alone_and_not_in_cr(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = "HTTP/1.1 200 OK\nX-A: a\nContent-Length: 2\n\nok",
         .status = 200,
         .body = "ok",
         .headers = "X-A: a\r\nContent-Length: 2\r\n"},
        {.says = "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\r\n\n2\nok\n0\n\n",
         .status = 200,
         .body = "ok"},
        {.says = OK "X-A: o\rne\r\nContent-Length: 2\r\n\r\nok",
         .status = 200,
         .body = "ok",
         .headers = "X-A: o ne\r\nContent-Length: 2\r\n"},
        {.says = OK "\rContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = OK "Content-Length: 2\r\r\n\r\nok", .closes = true, .status = 200, .body = "ok"},
    };
    TRY(examples);
}

/** RFC 9112, sections 2.3 and 4. */
static void a_status_line_may_be_without_a_reason(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {.says = "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", .status = 200, .body = "ok"},
        {.says = "HTTP/1.1 599 \xff\xfe (strange)\r\nContent-Length: 2\r\n\r\nok",
         .status = 599,
         .body = "ok"},
        /* Not of any class, but a status all the same (RFC 9110, section 15). */
        {.says = "HTTP/1.1 600 S\r\nContent-Length: 2\r\n\r\nok", .status = 600, .body = "ok"},
        {.says = "HTTP/1.1 999 S\r\nContent-Length: 2\r\n\r\nok", .status = 999, .body = "ok"},
        {.says = "HTTP/1.1 000 S\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = "HTTP/1.1 099 S\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = "HTTP/1.1 +20 S\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = "http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = " HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = "ok", .closes = true, .failure = "protocol"}, /* HTTP/0.9 */
        {.says = "HTTP/1.1 20\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "HTTP/1.1 2000 OK\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "HTTP/1.1\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok", .closes = true, .failure = "protocol"},
        {.says = "HTTP/9.9 200 OK\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "HTTP/.1 503 No\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "HTTP/1.1 100 C\r\n\r\nHtTP/1.1 503 No\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "HTTP/1.1 503No\r\n\r\n", .closes = true, .failure = "protocol"},
        {.says = "ICY 200 OK\r\n\r\n", .closes = true, .failure = "protocol"},
    };
    TRY(examples);
}

/* Bounds (RFC 9110, section 5.4: a client may have them) */

/** A head of exactly `size` bytes: as many times a line, or a part of one, as it takes. */
static char *head_of(const char *const parts[4], size_t size)
{
    struct buffer head = {0};
    size_t rest = strlen(parts[2]) + strlen(parts[3]);
    buffer_append_text(&head, parts[0]);
    while (head.len + strlen(parts[1]) + rest <= size)
        buffer_append_text(&head, parts[1]);
    buffer_append_text(&head, parts[2]);
    while (head.len + strlen(parts[3]) < size)
        buffer_append_char(&head, 'x');
    buffer_append_text(&head, parts[3]);
    assert_int_equal(head.len, size);
    return buffer_take(&head, NULL);
}

static void heads_have_a_bound(void **state)
{
    (void)state;
#define ENDS "\r\nContent-Length: 2\r\n\r\n"
    static const char *const heads[][4] = {
        {OK, "X-A: 0123456789012345\r\n", "X-B: ", ENDS}, /* thousands of them */
        {OK "X-A: ", "0123456789", "", ENDS},
        {"HTTP/1.1 200 ", "0123456789", "", ENDS},
        {OK "X-A: 0123456789", "\r\n 0123456789", "", ENDS},
        {"", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 O", ENDS},
    };
    enum { BOUND = 64 * 1024 };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (size_t beyond = 0; beyond <= 1; beyond++) {
            char *head = head_of(heads[i], BOUND + beyond);
            struct buffer says = {0};
            buffer_appendf(&says, "%sok", head);
            const struct example within = {.says = buffer_text(&says), .status = 200, .body = "ok"},
                                 above = {.says = buffer_text(&says), .closes = true, .failure = "protocol"};
            try_all(beyond ? &above : &within, 1);
            buffer_clear(&says);
            free(head);
        }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interim_answers_come_before_the_answer),
        cmocka_unit_test(some_statuses_have_no_body),
        cmocka_unit_test(an_answer_to_head_has_no_body),
        cmocka_unit_test(chunks_have_extensions_and_trailers),
        cmocka_unit_test(a_connection_is_used_again_where_both_sides_say_so),
        cmocka_unit_test(what_follows_an_answer_is_nobodys),
        cmocka_unit_test(a_header_may_go_on_in_the_next_line),
        cmocka_unit_test(lengths_that_disagree_are_no_answer),
        cmocka_unit_test(lines_may_end_in_lf_alone_and_not_in_cr),
        cmocka_unit_test(a_status_line_may_be_without_a_reason),
        cmocka_unit_test(heads_have_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
