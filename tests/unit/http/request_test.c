/* What our requests look like, compared with what libcurl makes of the same call. */
#include "http/client_internal.h"
#include "http/request.h"
#include "http/url.h"
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SENT_MAX = 128 * 1024, HEADERS_MAX = 8 };

static int listen_on_loopback(char *connect_to, size_t size)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    snprintf(connect_to, size, "::127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

static bool whole(const char *sent, size_t len, size_t body)
{
    const char *end = memmem(sent, len, "\r\n\r\n", 4);
    return end && len >= (size_t)(end - sent) + 4 + body;
}

/** What libcurl sends for the call, ended by NUL. */
static void send_with_libcurl(struct http_call *call, char *sent)
{
    char to[64];
    int running = 1, peer = -1, listener = listen_on_loopback(to, sizeof to);
    size_t len = 0;
    struct curl_slist connect_to = {to, NULL};
    CURLM *multi = curl_multi_init();
    call->easy = curl_easy_init();
    assert_true(multi && call->easy && easy_prepare(call->easy, &call->shared->options));
    assert_true(call_begin_hop(call) && call_prepare(call));
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION, NULL);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, &connect_to);
    curl_multi_add_handle(multi, call->easy);
    while (!whole(sent, len, call->body.len)) {
        curl_multi_perform(multi, &running);
        if (!running)
            fail_msg("%s %s: '%s'", call->method, call->url, call->curl_error);
        if (peer < 0)
            peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        poll(&(struct pollfd){.fd = peer < 0 ? listener : peer, .events = POLLIN}, 1, 10);
        ssize_t got = read(peer, sent + len, SENT_MAX - 1 - len);
        len += got > 0 ? (size_t)got : 0;
    }
    sent[len] = '\0';
    curl_multi_remove_handle(multi, call->easy);
    curl_easy_cleanup(call->easy);
    curl_multi_cleanup(multi);
    close(peer);
    close(listener);
}

struct example {
    const char *method, *url, *body;
    const char *headers[HEADERS_MAX][2];
};

static struct client_shared shared;

static void compare(const struct example *example)
{
    static char libcurls[SENT_MAX];
    struct http_header headers[HEADERS_MAX];
    size_t count = 0;
    for (; count < HEADERS_MAX && example->headers[count][0]; count++)
        headers[count] =
            (struct http_header){slice_of(example->headers[count][0]), slice_of(example->headers[count][1])};
    const struct http_request request = {.method = example->method,
                                         .url = example->url,
                                         .headers = headers,
                                         .header_count = count,
                                         .body = slice_of(example->body)};
    struct http_call *call = call_new(&shared, &request, NULL, NULL);
    assert_non_null(call);
    send_with_libcurl(call, libcurls);
    struct buffer ours = {0};
    const struct request_parts parts = {.method = call->method,
                                        .url = call->url,
                                        .headers = buffer_slice(&call->headers.lines),
                                        .host_line = call->headers.host_line,
                                        .authorization = call->headers.authorization,
                                        .accept = call->headers.accept,
                                        .body = call->body};
    request_write_head(&parts, &ours);
    buffer_append_slice(&ours, call->body);
    assert_string_equal(buffer_text(&ours), libcurls);
    buffer_clear(&ours);
    call_free(call);
}

static int open_shared(void **state)
{
    const struct http_client_options options = {
        .clock = clock_system(), .user_agent = "test/1", .connect_timeout_ms = 60000};
    (void)state;
    return shared_init(&shared, &options, NULL);
}

static int close_shared(void **state)
{
    (void)state;
    shared_clear(&shared);
    return 0;
}

#define A "http://svc.internal"

static void requests_are_libcurls_byte_for_byte(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"POST",
         A "/hook",
         "{\"a\":1}",
         {{"Content-Type", "application/json"}, {"X-Port-Signature", "v1,x="}}},
        {"POST", A "/hook", "", {{NULL, NULL}}},
        {"POST", A "/hook", NULL, {{NULL, NULL}}},
        {"PUT", A "/hook", "{}", {{"X-A", "a"}}},
        {"PUT", A "/hook", NULL, {{"X-A", "a"}}},
        {"PATCH", A "/hook", NULL, {{NULL, NULL}}},
        {"DELETE", A "/hook", NULL, {{NULL, NULL}}},
        {"DELETE", A "/hook", "{}", {{NULL, NULL}}},
        {"GET", A "/hook", NULL, {{NULL, NULL}}},
        {"GET", A "/hook", "{}", {{NULL, NULL}}},
        {"HEAD", A "/hook", NULL, {{NULL, NULL}}},
        {"OPTIONS", A "/hook", NULL, {{NULL, NULL}}},
        {"POST", A, "{}", {{NULL, NULL}}},
        {"POST", A "?a=b", "{}", {{NULL, NULL}}},
        {"POST", A "/?", "{}", {{NULL, NULL}}},
        {"POST", A "/a%20b/[x]?q=%zz&y=\xc3\xbc#part", "{}", {{NULL, NULL}}},
        {"POST", A ":8080/hook", "{}", {{NULL, NULL}}},
        {"POST", A ":80/hook", "{}", {{NULL, NULL}}},
        {"POST", A ":080/hook", "{}", {{NULL, NULL}}},
        {"POST", A "./hook", "{}", {{NULL, NULL}}},
        {"POST", "http://SVC.Internal/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://127.0.0.1:8080/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://127.0.0.1/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://[::1]:8080/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://[fe80::1%25lo]:8080/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://us:pa%20ss@svc.internal/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://us@svc.internal/hook", "{}", {{NULL, NULL}}},
        {"POST", "http://us:pw@svc.internal/hook", "{}", {{"authorization", "Bearer x"}}},
        {"POST", A "/hook", "{}", {{"Host", "other.example"}, {"X-A", "a"}}},
        {"POST", A "/hook", "{}", {{"X-A", "a"}, {"host", "other.example:90"}}},
        {"POST", A "/hook", "{}", {{"X-A", "a"}, {"HOST", ""}, {"X-B", "b"}}},
        {"POST", A "/hook", "{}", {{"Host", "one.example"}, {"host", "two.example"}}},
        {"POST", A "/hook", "{}", {{"X-A", "a:"}, {"X-B", "b;"}, {"X-C", ":"}}},
        {"POST", A "/hook", "{}", {{"Accept", "text/plain"}, {"User-Agent", "mine"}, {"X-A", ""}}},
        {"POST", A "/hook", "{}", {{"Accept-Encoding", "identity"}, {"Expect", ""}, {"X-A", "   "}}},
        {"POST", A "/hook", "{}", {{"X-A", "one"}, {"X-A", "two"}, {"X-B", "a;b: c"}}},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        compare(&examples[i]);
}

/** Today's agent writes Latin-1, and fails where a character has no place there. */
static void a_header_beyond_ascii_goes_out_in_utf_8(void **state)
{
    (void)state;
    struct buffer out = {0};
    const struct request_parts parts = {
        .method = "GET", .url = A "/", .headers = SLICE_LITERAL("X-A: Zo\xc3\xab \xe6\x9d\xb1\r\n")};
    request_write_head(&parts, &out);
    assert_non_null(strstr(buffer_text(&out), "\r\nX-A: Zo\xc3\xab \xe6\x9d\xb1\r\n\r\n"));
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_libcurls_byte_for_byte),
        cmocka_unit_test(a_header_beyond_ascii_goes_out_in_utf_8),
    };
    return cmocka_run_group_tests(tests, open_shared, close_shared);
}
