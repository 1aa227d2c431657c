/* Which sockets libcurl is told of, and when: connections to this test, with a libcurl that is the test
 * itself. */
#define CURL_DISABLE_TYPECHECK
#include "http/client_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#undef curl_multi_setopt
#undef curl_easy_setopt
#undef curl_easy_getinfo

enum { TOLD = 64, IN = CURL_CSELECT_IN, OUT = CURL_CSELECT_OUT };

/** What libcurl was given to call. */
static struct {
    curl_socket_callback on_socket;
    void *socket_ctx, *close_ctx;
    curl_opensocket_callback open;
    curl_closesocket_callback close;
} curl;

/** What it was told. */
static struct {
    size_t count, unwatched, taken;
    curl_socket_t fds[TOLD];
    int flags[TOLD], taken_events;
    void *taken_owner;
    /** Written to both when the first is told. */
    int answers[2];
} told;

static uv_loop_t loop;
static struct http_sockets sockets;
static int listener;
static struct client_shared shared;
static struct http_call call;

CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    (void)multi;
    va_list arguments;
    va_start(arguments, option);
    if (option == CURLMOPT_SOCKETFUNCTION)
        curl.on_socket = va_arg(arguments, curl_socket_callback);
    else if (option == CURLMOPT_SOCKETDATA)
        curl.socket_ctx = va_arg(arguments, void *);
    va_end(arguments);
    return CURLM_OK;
}

CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    (void)easy;
    va_list arguments;
    va_start(arguments, option);
    if (option == CURLOPT_OPENSOCKETFUNCTION)
        curl.open = va_arg(arguments, curl_opensocket_callback);
    else if (option == CURLOPT_CLOSESOCKETFUNCTION)
        curl.close = va_arg(arguments, curl_closesocket_callback);
    else if (option == CURLOPT_CLOSESOCKETDATA)
        curl.close_ctx = va_arg(arguments, void *);
    va_end(arguments);
    return CURLE_OK;
}

/** The call that a handle is of. */
CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    (void)easy;
    assert_int_equal(info, CURLINFO_PRIVATE);
    va_list arguments;
    va_start(arguments, info);
    *va_arg(arguments, struct http_call **) = &call;
    va_end(arguments);
    return CURLE_OK;
}

static void is_ready(void *ctx, curl_socket_t fd, int flags)
{
    assert_ptr_equal(ctx, &told);
    assert_true(told.count < TOLD);
    told.fds[told.count] = fd;
    told.flags[told.count++] = flags;
    for (int i = 0; i < 2 && told.count == 1; i++)
        if (told.answers[i] >= 0)
            assert_int_equal(write(told.answers[i], "x", 1), 1);
}

static void is_unwatched(struct http_call *of)
{
    assert_ptr_equal(of, &call);
    told.unwatched++;
}

static void is_taken_ready(void *owner, int events)
{
    told.taken++;
    told.taken_owner = owner;
    told.taken_events = events;
}

/* The world */

static void forget_told(void)
{
    memset(&told, 0, sizeof told);
    told.answers[0] = told.answers[1] = -1;
}

static int begin(void **state)
{
    (void)state;
    forget_told();
    memset(&call, 0, sizeof call);
    memset(&shared, 0, sizeof shared);
    call.shared = &shared;
    call.sockets = &sockets;
    uv_loop_init(&loop);
    sockets_open(&sockets, &loop, NULL, is_ready, is_unwatched, &told);
    sockets.taken_ready = is_taken_ready;
    sockets_prepare(&sockets, NULL);
    assert_ptr_equal(curl.close_ctx, &sockets);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sockets_close(&sockets);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(listener);
    return 0;
}

struct pair {
    curl_socket_t ours;
    int peer;
};

static curl_socket_t open_socket(int family)
{
    struct curl_sockaddr address = {.family = family, .socktype = SOCK_STREAM};
    address.addr.sa_family = (sa_family_t)family;
    return curl.open(&call, CURLSOCKTYPE_IPCXN, &address);
}

/** A connection that libcurl has made. */
static struct pair connected(void)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    struct pair pair = {.ours = open_socket(AF_INET)};
    assert_true(pair.ours >= 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    int done = connect(pair.ours, (struct sockaddr *)&address, len);
    assert_true(done == 0 || errno == EINPROGRESS);
    pair.peer = accept(listener, NULL, NULL);
    assert_true(pair.peer >= 0);
    return pair;
}

static void close_both(const struct pair *pair)
{
    assert_int_equal(curl.close(&sockets, pair->ours), 0);
    if (pair->peer >= 0)
        close(pair->peer);
}

static void want(curl_socket_t fd, int what)
{
    assert_int_equal(curl.on_socket(NULL, fd, what, curl.socket_ctx, NULL), 0);
}

static void say(const struct pair *pair, const char *text)
{
    assert_int_equal(write(pair->peer, text, strlen(text)), (int)strlen(text));
}

/** The peer is gone without having read. */
static void reset(struct pair *pair)
{
    struct linger at_once = {.l_onoff = 1};
    setsockopt(pair->peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(pair->peer);
    pair->peer = -1;
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_NOWAIT);
}

/** Turns of the loop until libcurl is told so often. */
static void turn_until_told(size_t count)
{
    while (told.count < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void assert_told(size_t n, curl_socket_t fd, int flags)
{
    assert_true(n < told.count);
    assert_int_equal(told.fds[n], fd);
    assert_int_equal(told.flags[n], flags);
}

/* What is watched */

static void libcurl_is_told_of_what_it_waits_for_alone(void **state)
{
    (void)state;
    struct pair pair = connected();
    turn();
    want(pair.ours, CURL_POLL_IN);
    assert_true(socket_is_wanted(&sockets, pair.ours));
    turn();
    assert_int_equal(told.count, 0);
    say(&pair, "x");
    turn_until_told(1);
    assert_told(0, pair.ours, IN);
    forget_told();
    want(pair.ours, CURL_POLL_OUT);
    turn_until_told(1);
    assert_told(0, pair.ours, OUT);
    forget_told();
    want(pair.ours, CURL_POLL_INOUT);
    turn_until_told(1);
    assert_told(0, pair.ours, IN | OUT);
    close_both(&pair);
}

/** It comes between the kernel's word that a connection takes more and ours to libcurl. */
static void what_has_come_meanwhile_is_told_with_what_can_be_sent(void **state)
{
    (void)state;
    struct pair one = connected(), other = connected();
    told.answers[0] = one.peer;
    told.answers[1] = other.peer;
    want(one.ours, CURL_POLL_INOUT);
    want(other.ours, CURL_POLL_INOUT);
    turn_until_told(2);
    assert_told(0, told.fds[0], OUT);
    assert_told(1, told.fds[0] == one.ours ? other.ours : one.ours, IN | OUT);
    close_both(&one);
    close_both(&other);
}

static void what_has_come_is_not_told_to_whoever_sends_only(void **state)
{
    (void)state;
    struct pair one = connected(), other = connected();
    told.answers[0] = one.peer;
    told.answers[1] = other.peer;
    want(one.ours, CURL_POLL_OUT);
    want(other.ours, CURL_POLL_OUT);
    turn_until_told(2);
    assert_int_equal(told.flags[0], OUT);
    assert_int_equal(told.flags[1], OUT);
    close_both(&one);
    close_both(&other);
}

static void a_socket_that_reports_an_error_is_ready_for_what_was_wanted(void **state)
{
    (void)state;
    static const int wanted[][2] = {{CURL_POLL_IN, IN}, {CURL_POLL_OUT, OUT}, {CURL_POLL_INOUT, IN | OUT}};
    for (size_t i = 0; i < 3; i++) {
        struct pair pair = connected();
        reset(&pair);
        want(pair.ours, wanted[i][0]);
        turn_until_told(2); /* as long as libcurl has not met it */
        assert_told(0, pair.ours, wanted[i][1]);
        assert_told(1, pair.ours, wanted[i][1]);
        want(pair.ours, CURL_POLL_REMOVE);
        forget_told();
        turn();
        assert_int_equal(told.count, 0);
        close_both(&pair);
    }
}

static void nobody_is_told_of_a_connection_that_waits_for_its_next_request(void **state)
{
    (void)state;
    struct pair pair = connected();
    want(pair.ours, CURL_POLL_IN);
    want(pair.ours, CURL_POLL_REMOVE);
    assert_false(socket_is_wanted(&sockets, pair.ours));
    say(&pair, "x");
    close(pair.peer);
    pair.peer = -1;
    turn();
    turn();
    assert_int_equal(told.count, 0);
    want(pair.ours, CURL_POLL_IN); /* whoever uses it next sees it */
    turn_until_told(1);
    assert_told(0, pair.ours, IN);
    close_both(&pair);
}

/** libcurl before 8.5 does so when it gives an attempt to connect up. */
static void one_that_is_closed_behind_our_back_while_it_connects_is_forgotten(void **state)
{
    (void)state;
    curl_socket_t fd = open_socket(AF_INET);
    want(fd, CURL_POLL_OUT);
    want(fd, CURL_POLL_REMOVE);
    close(fd);
    struct pair pair = connected();
    assert_int_equal(pair.ours, fd); /* the kernel gives the number out again */
    turn();
    assert_int_equal(told.count, 0);
    want(pair.ours, CURL_POLL_OUT);
    turn_until_told(1);
    assert_told(0, fd, OUT);
    close_both(&pair);
}

static void sockets_that_libcurl_opened_elsewhere_are_watched_as_long_as_it_says(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    int far = fcntl(ends[0], F_DUPFD_CLOEXEC, 300);
    assert_true(far >= 300);
    want(far, CURL_POLL_IN);
    assert_int_equal(write(ends[1], "x", 1), 1);
    turn_until_told(1);
    assert_told(0, far, IN);
    want(far, CURL_POLL_REMOVE);
    assert_false(uv_loop_alive(&loop) && told.count > 1);
    uv_run(&loop, UV_RUN_DEFAULT); /* it ends: nothing is watched */
    assert_int_equal(told.count, 1);
    want(far, CURL_POLL_REMOVE); /* and may be said twice */
    close(far);
    close(ends[0]);
    close(ends[1]);
}

static void what_nothing_can_watch_is_told_to_its_call(void **state)
{
    (void)state;
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    want(fd, CURL_POLL_IN);
    assert_int_equal(told.unwatched, 1);
    assert_false(socket_is_wanted(&sockets, fd));
    close(fd);
}

/* What was taken over */

static void one_that_was_taken_over_is_its_owners(void **state)
{
    (void)state;
    struct pair pair = connected();
    int owner;
    assert_true(socket_take(&sockets, pair.ours, &owner));
    assert_false(socket_is_wanted(&sockets, pair.ours));
    want(pair.ours, CURL_POLL_INOUT); /* libcurl is not asked */
    socket_watch_for(&sockets, pair.ours, UV_READABLE);
    say(&pair, "x");
    while (told.taken == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_ptr_equal(told.taken_owner, &owner);
    assert_int_equal(told.taken_events, UV_READABLE);
    assert_int_equal(told.count, 0);
    socket_watch_for(&sockets, pair.ours, 0);
    size_t before = told.taken;
    turn();
    assert_int_equal(told.taken, before);
    socket_watch_for(&sockets, pair.ours, UV_WRITABLE);
    reset(&pair);
    told.taken_events = 0;
    while (told.taken_events != UV_READABLE) /* its error is met by reading */
        uv_run(&loop, UV_RUN_ONCE);
    close_both(&pair);
}

static void one_that_was_given_back_is_libcurls(void **state)
{
    (void)state;
    struct pair pair = connected();
    int owner;
    assert_true(socket_take(&sockets, pair.ours, &owner));
    socket_watch_for(&sockets, pair.ours, UV_READABLE);
    socket_give_back(&sockets, pair.ours);
    say(&pair, "x");
    turn();
    turn();
    assert_int_equal(told.taken + told.count, 0);
    socket_watch_for(&sockets, pair.ours, UV_READABLE); /* it is nobody's to watch any more */
    turn();
    assert_int_equal(told.taken + told.count, 0);
    want(pair.ours, CURL_POLL_IN);
    turn_until_told(1);
    assert_told(0, pair.ours, IN);
    close_both(&pair);
    assert_false(socket_take(&sockets, pair.ours, &owner));
    socket_give_back(&sockets, pair.ours);
}

/* Opening */

static void a_number_that_may_be_broken_is_not_used_again_before_it_is_closed(void **state)
{
    (void)state;
    struct pair idle = connected(), wanted = connected(), taken = connected();
    int owner;
    want(wanted.ours, CURL_POLL_IN);
    assert_true(socket_take(&sockets, taken.ours, &owner));
    sockets_spoil(&sockets);
    close(idle.ours); /* without a word to us */
    close(wanted.ours);
    close(taken.ours);
    curl_socket_t first = open_socket(AF_INET), second = open_socket(AF_INET);
    assert_int_equal(first, wanted.ours);
    assert_int_equal(second, taken.ours);
    assert_int_equal(fcntl(idle.ours, F_GETFD), -1);
    curl.close(&sockets, first);
    curl.close(&sockets, second);
    curl.close(&sockets, idle.ours);
    first = open_socket(AF_INET);
    assert_int_equal(first, idle.ours);
    assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
    curl.close(&sockets, first);
    close(idle.peer);
    close(wanted.peer);
    close(taken.peer);
}

static void a_socket_that_cannot_be_made_says_why(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    curl_socket_t fd = open_socket(AF_INET);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(fd, CURL_SOCKET_BAD);
    assert_int_equal(call.no_socket, EMFILE);
}

static void an_address_that_may_not_be_connected_to_has_no_socket(void **state)
{
    (void)state;
    struct error err = {0};
    char url[] = "http://svc/";
    call.url = url;
    shared.egress = egress_new("", "0.0.0.0/8", &err);
    assert_non_null(shared.egress);
    assert_int_equal(open_socket(AF_INET), CURL_SOCKET_BAD);
    assert_int_equal(call.no_socket, 0);
    assert_true(call.refused);
    egress_free(shared.egress);
}

/* Proxies */

static void interim_answers_to_a_request_for_a_tunnel_are_not_libcurls(void **state)
{
    (void)state;
    char proxy_url[] = "http://proxy:3128", url[] = "https://svc/";
    const struct proxy proxy = {.url = proxy_url};
    call.proxy = &proxy;
    call.url = url;
    struct pair pair = connected();
    want(pair.ours, CURL_POLL_IN);
    assert_true(sockets.tunnels);
    say(&pair, "HTTP/1.1 100 Continue\r\n\r\n");
    turn();
    assert_int_equal(told.count, 0);
    say(&pair, "HTTP/1.1 200 OK\r\n\r\n");
    turn_until_told(1);
    assert_told(0, pair.ours, IN);
    char bytes[64];
    ssize_t got = recv(pair.ours, bytes, sizeof bytes, MSG_DONTWAIT);
    assert_int_equal(got, strlen("HTTP/1.1 200 OK\r\n\r\n"));
    say(&pair, "HTTP/1.1 100 Continue\r\n\r\n"); /* within the tunnel */
    turn_until_told(2);
    close_both(&pair);
}

static void interim_answers_are_taken_before_libcurl_reads_for_itself(void **state)
{
    (void)state;
    char proxy_url[] = "http://proxy:3128", url[] = "https://svc/", bytes[64];
    const struct proxy proxy = {.url = proxy_url};
    call.url = url;
    struct pair plain = connected();
    want(plain.ours, CURL_POLL_IN);
    call.proxy = &proxy;
    struct pair pair = connected();
    want(pair.ours, CURL_POLL_IN);
    say(&plain, "HTTP/1.1 100 Continue\r\n\r\n");
    say(&pair, "HTTP/1.1 100 Continue\r\n\r\n");
    sockets_take_interim(&sockets);
    assert_int_equal(recv(pair.ours, bytes, sizeof bytes, MSG_DONTWAIT), -1);
    assert_true(recv(plain.ours, bytes, sizeof bytes, MSG_DONTWAIT) > 0);
    close_both(&pair);
    close_both(&plain);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(libcurl_is_told_of_what_it_waits_for_alone),
        TEST(what_has_come_meanwhile_is_told_with_what_can_be_sent),
        TEST(what_has_come_is_not_told_to_whoever_sends_only),
        TEST(a_socket_that_reports_an_error_is_ready_for_what_was_wanted),
        TEST(nobody_is_told_of_a_connection_that_waits_for_its_next_request),
        TEST(one_that_is_closed_behind_our_back_while_it_connects_is_forgotten),
        TEST(sockets_that_libcurl_opened_elsewhere_are_watched_as_long_as_it_says),
        TEST(what_nothing_can_watch_is_told_to_its_call),
        TEST(one_that_was_taken_over_is_its_owners),
        TEST(one_that_was_given_back_is_libcurls),
        TEST(a_number_that_may_be_broken_is_not_used_again_before_it_is_closed),
        TEST(a_socket_that_cannot_be_made_says_why),
        TEST(an_address_that_may_not_be_connected_to_has_no_socket),
        TEST(interim_answers_to_a_request_for_a_tunnel_are_not_libcurls),
        TEST(interim_answers_are_taken_before_libcurl_reads_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
