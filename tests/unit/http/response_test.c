/* Responses byte by byte and at once: what each means, with the section of the RFC that says so. */
#include "http/response.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define OK "HTTP/1.1 200 OK\r\n"

/** What came of some bytes. */
struct seen {
    int status;
    bool ended, broken, ends_with_connection, keeps_alive;
    char why[80];
    char body[64];
    size_t body_len;
    char head[512];
    size_t left;
};

static struct response response;

/** Fed in pieces of `piece` bytes. */
static struct seen read_all(struct slice bytes, size_t piece, bool to_head)
{
    struct seen seen = {0};
    response_begin(&response, to_head);
    while (bytes.len > 0 && !seen.ended && !seen.broken) {
        /* Each piece is memory of its own, so that the sanitizer sees what is read beyond it. */
        size_t len = bytes.len < piece ? bytes.len : piece;
        char *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, bytes.ptr, len);
        struct slice in = {copy, len}, body;
        bytes = (struct slice){bytes.ptr + len, bytes.len - len};
        for (bool more = true; more;) {
            switch (response_read(&response, &in, &body)) {
            case RESPONSE_MORE:
                assert_int_equal(in.len, 0);
                more = false;
                break;
            case RESPONSE_HEAD:
                assert_int_equal(seen.status, 0);
                seen.status = response.status;
                response_unfold(&response);
                snprintf(seen.head, sizeof seen.head, "%.*s", (int)response.head.len,
                         response.head.len ? response.head.ptr : "");
                break;
            case RESPONSE_BODY:
                assert_true(body.len > 0 && body.ptr == in.ptr && body.len <= in.len);
                for (size_t i = 0; i < body.len && seen.body_len < sizeof seen.body - 1; i++)
                    seen.body[seen.body_len++] = body.ptr[i];
                response_take(&response, &in, body.len);
                break;
            case RESPONSE_END:
                seen.ended = true;
                seen.left = in.len + bytes.len;
                more = false;
                break;
            case RESPONSE_BROKEN:
                seen.broken = true;
                snprintf(seen.why, sizeof seen.why, "%s", response.why);
                more = false;
                break;
            }
        }
        free(copy);
    }
    seen.ends_with_connection = !seen.broken && response_ends_here(&response);
    seen.keeps_alive = response.keeps_alive;
    return seen;
}

static int clear(void **state)
{
    (void)state;
    buffer_clear(&response.head);
    buffer_clear(&response.own.line);
    memset(&response, 0, sizeof response);
    return 0;
}

enum ends { ENDS, AT_CLOSE, GOES_ON, BREAKS };

struct example {
    const char *bytes;
    int status;
    enum ends ends;
    bool keeps;
    /** Of a broken one: a part of what is wrong. */
    const char *body;
};

static void check(const struct example *example, size_t piece, bool to_head)
{
    struct seen seen = read_all(slice_of(example->bytes), piece, to_head);
    enum ends ends = seen.broken                 ? BREAKS
                     : seen.ended                ? ENDS
                     : seen.ends_with_connection ? AT_CLOSE
                                                 : GOES_ON;
    bool text =
        ends == BREAKS ? strstr(seen.why, example->body) != NULL : strcmp(seen.body, example->body) == 0;
    if (ends != example->ends || !text || (ends != BREAKS && seen.status != example->status) ||
        (ends == ENDS && seen.keeps_alive != example->keeps))
        fail_msg("'%s' in pieces of %zu: ends %d, status %d, keeps %d, body '%s', why '%s'", example->bytes,
                 piece, ends, seen.status, seen.keeps_alive, seen.body, seen.why);
}

static void check_all(const struct example *examples, size_t count, bool to_head)
{
    static const size_t pieces[] = {1, 2, 3, 7, 100000};
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < sizeof pieces / sizeof *pieces; j++)
            check(&examples[i], pieces[j], to_head);
}

#define CHECK(examples, to_head) check_all(examples, sizeof(examples) / sizeof *(examples), to_head)

/** RFC 9112, section 4. */
static void the_first_line_has_a_version_and_a_status(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {OK "Content-Length: 2\r\n\r\nok", 200, ENDS, true, "ok"},
        {"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200, ENDS, true, ""},
        {"HTTP/1.1 204\r\n\r\n", 204, ENDS, true, ""}, /* no blank, no reason */
        {"HTTP/1.1  404\tnot here\r\nContent-Length: 0\r\n\r\n", 404, ENDS, true, ""},
        {"HTTP/1.1 599 \xff\xfe\r\nContent-Length: 0\r\n\r\n", 599, ENDS, true, ""},
        {"HTTP/1.7 200 OK\r\nContent-Length: 0\r\n\r\n", 200, ENDS, true, ""}, /* section 2.3 */
        {"HTTP/1.1 20 OK\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1 2000 OK\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1 099 OK\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1 200OK\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1200 OK\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1 \r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/1.1 -20 OK\r\n\r\n", 0, BREAKS, false, "no status"},
        {"HTTP/2 200\r\n\r\n", 0, BREAKS, false, "does not begin"},
        {"HTTP/9.9 200 OK\r\n\r\n", 0, BREAKS, false, "does not begin"},
        {"http/1.1 200 OK\r\n\r\n", 0, BREAKS, false, "does not begin"},
        {"ICY 200 OK\r\n\r\n", 0, BREAKS, false, "does not begin"},
        {"\r\n" OK "\r\n", 0, BREAKS, false, "does not begin"},
        {" " OK "\r\n", 0, BREAKS, false, "does not begin"},
        {"SSH-2.0", 0, BREAKS, false, "does not begin"},
    };
    CHECK(examples, false);
}

/** RFC 9112, sections 2.2 and 5. */
static void headers_are_read_as_servers_write_them(void **state)
{
    (void)state;
    static const char *const heads[][2] = {
        {OK "X-A: one\r\nX-B:two\r\nX-C:\r\nx-d: \t three \t\r\n\r\n",
         "X-A: one\r\nX-B: two\r\nX-C: \r\nx-d: three\r\n"},
        {"HTTP/1.1 200 OK\nX-A: lf alone\n\n", "X-A: lf alone\r\n"},
        {OK "X-A: one\r\n two\r\n\tthree\r\nX-B: b\r\n\r\n", "X-A: one two three\r\nX-B: b\r\n"}, /* 5.2 */
        {OK "X-A:\r\n one\r\n\r\n", "X-A: one\r\n"},
        {OK "X-A: one\r\n \r\n two\r\n\r\n", "X-A: one two\r\n"},
        {OK " before the first\r\nX-A: one\r\n\r\n", "X-A: one\r\n"}, /* 2.2 */
        {OK "X-A : one\r\n\r\n", "X-A: one\r\n"},                     /* 5.1 */
        {OK "X-A: o\rne\r\n\r\n", "X-A: o ne\r\n"},                   /* 2.2 */
        {OK "X(A): \xfc\r\nX A: b\r\n\r\n", "X(A): \xfc\r\nX A: b\r\n"},
        {"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n" OK "X-A: one\r\n\r\n", "X-A: one\r\n"},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (size_t piece = 1; piece < 100; piece += 3)
            assert_string_equal(read_all(slice_of(heads[i][0]), piece, false).head, heads[i][1]);
    static const struct example examples[] = {
        {OK "no colon\r\n\r\n", 0, BREAKS, false, "no name"},
        {OK ": no name\r\n\r\n", 0, BREAKS, false, "no name"},
        {OK "\rX-A: a\r\n\r\n", 0, BREAKS, false, "begins with CR"},
        {OK "Content-Length : 2\r\n\r\nok", 0, BREAKS, false, "before the colon"},
        {OK "transfer-encoding\t: chunked\r\n\r\n", 0, BREAKS, false, "before the colon"},
        {OK "\r\r\nbody", 0, BREAKS, false, "begins with CR"},
        {OK "X-A: a", 0, GOES_ON, false, ""},
        {OK "X-A: a\r\n", 0, GOES_ON, false, ""}, /* nothing is an answer before its empty line */
        {OK "Content-Length: 2\r\n\r", 0, GOES_ON, false, ""},
    };
    CHECK(examples, false);
    assert_true(read_all(SLICE_LITERAL(OK "X-A: a\0b\r\n\r\n"), 5, false).broken);
}

static void headers_are_found_by_name_and_number(void **state)
{
    (void)state;
    struct seen seen = read_all(
        SLICE_LITERAL(OK "X-Ab: long\r\nX-A: one\r\nx-a:  two \r\nX-B:\r\nContent-Length: 0\r\n\r\n"), 4,
        false);
    assert_int_equal(seen.status, 200);
    assert_true(slice_equal_text(response_header(&response, "x-a", 0), "one"));
    assert_true(slice_equal_text(response_header(&response, "X-A", 1), "two"));
    assert_true(slice_is_null(response_header(&response, "X-A", 2)));
    assert_true(slice_is_null(response_header(&response, "X", 0)));
    assert_false(slice_is_null(response_header(&response, "X-B", 0)));
    assert_int_equal(response_header(&response, "X-B", 0).len, 0);
    read_all(SLICE_LITERAL(OK "X-A: not yet\r\n"), 4, false);
    assert_true(slice_is_null(response_header(&response, "X-A", 0)));
}

/** RFC 9110, section 15.2, and RFC 9112, section 6.3, items 1 and 2. */
static void some_responses_have_no_body(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", 200, ENDS, true, "ok"},
        {"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 102 P\r\nX-A: a\r\n\r\nHTTP/1.1 204 N\r\n\r\n", 204, ENDS, true, ""},
        {"HTTP/1.1 100 C\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 N\r\n\r\n", 204, ENDS, true, ""},
        {"HTTP/1.1 100 C\r\n\r\n", 0, GOES_ON, false, ""},
        {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", 0, BREAKS, false, "nobody asked for"},
        {"HTTP/1.1 204 N\r\nContent-Length: 5\r\n\r\n", 204, ENDS, true, ""},
        {"HTTP/1.1 304 N\r\nContent-Length: 5\r\n\r\n", 304, ENDS, true, ""},
        {"HTTP/1.1 304 N\r\nTransfer-Encoding: chunked\r\n\r\n", 304, ENDS, true, ""},
    };
    CHECK(examples, false);
    static const struct example heads[] = {
        {OK "Content-Length: 5\r\n\r\n", 200, ENDS, true, ""},
        {OK "Transfer-Encoding: chunked\r\n\r\n", 200, ENDS, true, ""},
        {OK "\r\n", 200, ENDS, true, ""},
    };
    CHECK(heads, true);
    assert_int_equal(read_all(SLICE_LITERAL("HTTP/1.1 204 N\r\n\r\nok"), 100, false).left, 2);
}

/** RFC 9112, section 6.3, items 5 to 8. */
static void a_length_ends_a_body(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {OK "Content-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\n\r\n", 200, ENDS, true, "ok"},
        {OK "content-length: 002\r\n\r\nok", 200, ENDS, true, "ok"},
        {OK "Content-Length: 2, 2\r\n\r\nok", 200, ENDS, true, "ok"},
        {OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, ENDS, true, "ok"},
        {OK "Content-Length: 5\r\n\r\nab", 200, GOES_ON, false, "ab"},
        {OK "\r\nall of it", 200, AT_CLOSE, false, "all of it"},
        {OK "\r\n", 200, AT_CLOSE, false, ""},
        {OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: 2, 3\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length:\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: +2\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: -2\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: 0x2\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: 2 2\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: 2\r\n 2\r\n\r\nok", 0, BREAKS, false, "do not agree"}, /* folded */
        {OK "Content-Length: 9223372036854775808\r\n\r\nok", 0, BREAKS, false, "do not agree"},
        {OK "Content-Length: 9223372036854775807\r\n\r\nok", 200, GOES_ON, false, "ok"},
    };
    CHECK(examples, false);
}

/** RFC 9112, sections 6.1 and 6.3, items 3 and 4. */
static void a_transfer_coding_counts_before_a_length(void **state)
{
    (void)state;
#define CHUNKS "2\r\nok\r\n0\r\n\r\n"
    static const struct example examples[] = {
        {OK "Transfer-Encoding: chunked\r\n\r\n" CHUNKS, 200, ENDS, true, "ok"},
        {OK "Transfer-Encoding: Chunked\r\nContent-Length: 90\r\n\r\n" CHUNKS, 200, ENDS, false, "ok"},
        {OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" CHUNKS, 200, ENDS, false, "ok"},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" CHUNKS, 200, ENDS,
         false, "ok"},
        {OK "Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", 200, ENDS, true, "ok"},
        {OK "Transfer-Encoding: identity\r\n\r\nok", 200, AT_CLOSE, false, "ok"},
        {OK "Transfer-Encoding: identity, chunked\r\n\r\n" CHUNKS, 200, ENDS, true, "ok"},
        {OK "Transfer-Encoding: \r\n , chunked\r\n\r\n" CHUNKS, 200, ENDS, true, "ok"},
        {OK "Transfer-Encoding:\r\nContent-Length: 2\r\n\r\nok", 200, ENDS, true, "ok"},
        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n" CHUNKS, 200, ENDS, true, "ok"}, /* strange_coding */
        {OK "Transfer-Encoding: chunked, gzip\r\n\r\n" CHUNKS, 200, AT_CLOSE, false, CHUNKS},
        {OK "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n\r\nokok", 200, AT_CLOSE, false, "okok"},
        {OK "Transfer-Encoding: chunked, chunked\r\n\r\n" CHUNKS, 0, BREAKS, false, "do not agree"},
        {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0, BREAKS, false,
         "do not agree"},
    };
    CHECK(examples, false);
    read_all(SLICE_LITERAL(OK "Transfer-Encoding: gzip, chunked\r\n\r\n" CHUNKS), 100, false);
    assert_true(response.strange_coding);
    read_all(SLICE_LITERAL(OK "Transfer-Encoding: chunked\r\n\r\n" CHUNKS), 100, false);
    assert_false(response.strange_coding);
}

/** RFC 9112, section 7.1. */
static void chunks_have_rules(void **state)
{
    (void)state;
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"
    static const struct example examples[] = {
        {CHUNKED "1\r\no\r\n00001\r\nk\r\n000\r\n\r\n", 200, ENDS, true, "ok"},
        {CHUNKED "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, ENDS, true, "01234567890123456789"},
        {CHUNKED "2\nok\n0\n\n", 200, ENDS, true, "ok"},
        {CHUNKED "2 \t\r\nok\r\n0 \r\n\r\n", 200, ENDS, true, "ok"},
        {CHUNKED "2;a=b;c=\"d;e\"\r\nok\r\n0;last\r\n\r\n", 200, ENDS, true, "ok"}, /* 7.1.1 */
        {CHUNKED "0\r\nX-Trailer: a\r\nX-B: b\r\n\r\n", 200, ENDS, true, ""},       /* 7.1.2 */
        {CHUNKED "2\r\nok\r\n0\r\n\r\nHTTP/1.1 500 S\r\n\r\n", 200, ENDS, true, "ok"},
        {CHUNKED "2\r\nok\r\n0\r\n", 200, GOES_ON, false, "ok"},
        {CHUNKED "2\r\nok\r\n", 200, GOES_ON, false, "ok"},
        {CHUNKED "5\r\nok", 200, GOES_ON, false, "ok"},
        {CHUNKED "\r\n", 200, BREAKS, false, "no size"},
        {CHUNKED "nonsense\r\n", 200, BREAKS, false, "no size"},
        {CHUNKED " 2\r\nok\r\n", 200, BREAKS, false, "no size"},
        {CHUNKED "0x2\r\nok\r\n", 200, BREAKS, false, "no size"},
        {CHUNKED "-2\r\nok\r\n", 200, BREAKS, false, "no size"},
        {CHUNKED "2,\r\nok\r\n", 200, BREAKS, false, "no size"},
        {CHUNKED "2\r \r\nok\r\n", 200, BREAKS, false, "does not end"},
        {CHUNKED "2;a\rb\r\nok\r\n", 200, BREAKS, false, "does not end"},
        {CHUNKED "2\r\nokay\r\n", 200, BREAKS, false, "longer than its size"},
        {CHUNKED "2\r\nok\r\r\n", 200, BREAKS, false, "longer than its size"},
        {CHUNKED "2\r\nok0\r\n\r\n", 200, BREAKS, false, "longer than its size"},
        {CHUNKED "ffffffffffffffff\r\nx", 200, BREAKS, false, "longer than all"},
        {CHUNKED "1000000000000000000000002\r\nok\r\n", 200, BREAKS, false, "longer than all"},
    };
    CHECK(examples, false);
}

/** RFC 9112, section 9.3. */
static void a_connection_goes_on_where_both_sides_say_so(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        bool keeps;
    } cases[] = {{OK, true},
                 {OK "Connection: close\r\n", false},
                 {OK "Connection: Keep-Alive\r\n", true},
                 {OK "Connection: x, CLOSE ,y\r\n", false},
                 {OK "Connection: x\r\nConnection: close\r\n", false},
                 {OK "Connection: keep-alive, close\r\n", false},
                 {OK "Connection: closed\r\n", true},
                 {OK "Connection:\r\n close\r\n", false},
                 {"HTTP/1.0 200 OK\r\n", false},
                 {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[200];
        snprintf(bytes, sizeof bytes, "%sContent-Length: 0\r\n\r\n", cases[i].head);
        struct seen seen = read_all(slice_of(bytes), 1000, false);
        assert_true(seen.ended);
        if (seen.keeps_alive != cases[i].keeps)
            fail_msg("%s: %d", cases[i].head, seen.keeps_alive);
    }
}

/** A start, so many times a middle, an end. */
static struct seen read_long(const char *start, const char *middle, size_t times, const char *end)
{
    struct buffer bytes = {0};
    buffer_append_text(&bytes, start);
    for (size_t i = 0; i < times; i++)
        buffer_append_text(&bytes, middle);
    buffer_append_text(&bytes, end);
    struct seen seen = read_all(buffer_slice(&bytes), 16384, false);
    buffer_clear(&bytes);
    return seen;
}

static void framing_counts_however_many_headers_stand_before_it(void **state)
{
    (void)state;
    struct seen seen =
        read_long(OK, "X-A: a\r\n", 5000, "X-B: b\r\nContent-Length: 2\r\nConnection: close\r\n\r\nokay");
    assert_true(seen.ended && !seen.keeps_alive);
    assert_string_equal(seen.body, "ok");
    assert_false(slice_is_null(response_header(&response, "X-A", 4999)));
    assert_false(slice_is_null(response_header(&response, "X-B", 0)));
}

static void what_brings_nothing_forward_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *start, *middle, *end;
    } cases[] = {{OK, "X-A: 0123456789\r\n", "\r\n"},
                 {OK "X-A: ", "0123456789", "\r\n\r\n"},
                 {"HTTP/1.1 200 ", "0123456789", "\r\n\r\n"},
                 {"", "HTTP/1.1 100 Continue\r\n\r\n", OK "\r\n"},
                 {CHUNKED "1;", "extension", "\r\nx\r\n0\r\n\r\n"},
                 {CHUNKED, "1;extension\r\nx\r\n", "0\r\n\r\n"},
                 {CHUNKED, "0", "\r\n\r\n"},
                 {CHUNKED "0\r\n", "X-Trailer: a\r\n", "\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen =
            read_long(cases[i].start, cases[i].middle, 140000 / strlen(cases[i].middle), cases[i].end);
        if (!seen.broken || !strstr(seen.why, "64 KiB"))
            fail_msg("%zu: '%s'", i, seen.why);
        seen = read_long(cases[i].start, cases[i].middle, 60000 / strlen(cases[i].middle), cases[i].end);
        if (seen.broken)
            fail_msg("%zu: '%s'", i, seen.why);
    }
    struct seen seen = read_long(CHUNKED, "1\r\nx\r\n", 100000, "0\r\n\r\n");
    assert_true(seen.ended);
}

/** Processor time that it takes to read so many such responses in small pieces, in ns. */
static int64_t cost_of(struct slice bytes, size_t times)
{
    enum { PIECE = 8 };
    struct timespec from, to;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    while (times-- > 0) {
        enum response_event event = RESPONSE_MORE;
        response_begin(&response, false);
        for (size_t at = 0; at < bytes.len && event != RESPONSE_END; at += PIECE) {
            size_t left = bytes.len - at;
            struct slice in = {bytes.ptr + at, left < PIECE ? left : PIECE}, body;
            while ((event = response_read(&response, &in, &body)) == RESPONSE_HEAD || event == RESPONSE_BODY)
                if (event == RESPONSE_BODY)
                    response_take(&response, &in, body.len);
            assert_int_not_equal(event, RESPONSE_BROKEN);
        }
        assert_int_equal(event, RESPONSE_END);
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    return (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}

/** The processor time for a byte does not grow with the response. Were it read again for each piece, one that
 * is 60 times as long would cost up to 60 times as much a byte. */
static void time_grows_as_the_bytes_do(void **state)
{
    (void)state;
    enum { TIMES = 60, SHORT = 1000, TRIES = 5, TOO_MUCH = 6 };
    static const char *const kinds[][3] = {
        {OK, "X-A: a\r\n", "Content-Length: 0\r\n\r\n"},
        {OK "X-A: ", "0123456789", "\r\nContent-Length: 0\r\n\r\n"},
        {OK "X-A: a", "\r\n b", "\r\nContent-Length: 0\r\n\r\n"},
        {"HTTP/1.1 200 ", "0123456789", "\r\nContent-Length: 0\r\n\r\n"},
        {"", "HTTP/1.1 100 C\r\n\r\n", OK "Content-Length: 0\r\n\r\n"},
        {CHUNKED "1;", "extension", "\r\nx\r\n0\r\n\r\n"},
        {CHUNKED, "1\r\nx\r\n", "0\r\n\r\n"},
        {CHUNKED "0\r\n", "X-Trailer: a\r\n", "\r\n"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct buffer few = {0}, many = {0};
        buffer_append_text(&few, kinds[i][0]);
        buffer_append_text(&many, kinds[i][0]);
        while (few.len < SHORT)
            buffer_append_text(&few, kinds[i][1]);
        while (many.len < (size_t)TIMES * SHORT)
            buffer_append_text(&many, kinds[i][1]);
        buffer_append_text(&few, kinds[i][2]);
        buffer_append_text(&many, kinds[i][2]);
        int64_t of_few = INT64_MAX, of_many = INT64_MAX;
        for (int try = 0; try < TRIES; try++) {
            int64_t cost = cost_of(buffer_slice(&few), TIMES);
            of_few = cost < of_few ? cost : of_few;
            cost = cost_of(buffer_slice(&many), 1);
            of_many = cost < of_many ? cost : of_many;
        }
        if (of_many > TOO_MUCH * of_few)
            fail_msg("'%s…': %lld ns, and in %d parts %lld", kinds[i][1], (long long)of_many, TIMES,
                     (long long)of_few);
        buffer_clear(&few);
        buffer_clear(&many);
    }
}

/** Bytes of a line that does not end are no progress. */
static void whole_lines_and_bytes_of_bodies_are_progress(void **state)
{
    (void)state;
    read_all(SLICE_LITERAL("HTTP/1.1 200"), 1, false);
    assert_int_equal(response.progress, 0);
    read_all(SLICE_LITERAL(OK), 1, false);
    assert_int_equal(response.progress, strlen(OK));
    read_all(SLICE_LITERAL(OK "X-A: aaaaaa"), 1, false);
    assert_int_equal(response.progress, strlen(OK));
    read_all(SLICE_LITERAL(OK "\r\nbody"), 1, false);
    assert_int_equal(response.progress, strlen(OK "\r\nbody"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_first_line_has_a_version_and_a_status, clear),
        cmocka_unit_test_teardown(headers_are_read_as_servers_write_them, clear),
        cmocka_unit_test_teardown(headers_are_found_by_name_and_number, clear),
        cmocka_unit_test_teardown(some_responses_have_no_body, clear),
        cmocka_unit_test_teardown(a_length_ends_a_body, clear),
        cmocka_unit_test_teardown(a_transfer_coding_counts_before_a_length, clear),
        cmocka_unit_test_teardown(chunks_have_rules, clear),
        cmocka_unit_test_teardown(a_connection_goes_on_where_both_sides_say_so, clear),
        cmocka_unit_test_teardown(framing_counts_however_many_headers_stand_before_it, clear),
        cmocka_unit_test_teardown(what_brings_nothing_forward_is_bounded, clear),
        cmocka_unit_test_teardown(time_grows_as_the_bytes_do, clear),
        cmocka_unit_test_teardown(whole_lines_and_bytes_of_bodies_are_progress, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
