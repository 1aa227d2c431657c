/* What a proxy says before its answer to CONNECT, a piece at a time. */
#include "http/interim.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    int ours, proxy;
    struct interim interim;
};

static struct pair open_pair(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    struct pair pair = {.ours = fds[0], .proxy = fds[1]};
    interim_expect(&pair.interim, pair.ours);
    return pair;
}

static void close_pair(struct pair *pair)
{
    close(pair->ours);
    close(pair->proxy);
}

static void say(const struct pair *pair, const char *text)
{
    assert_int_equal(write(pair->proxy, text, strlen(text)), (int)strlen(text));
}

static void assert_left(const struct pair *pair, const char *text)
{
    char bytes[4096];
    ssize_t got = recv(pair->ours, bytes, sizeof bytes, MSG_DONTWAIT);
    assert_int_equal(got < 0 ? 0 : got, (int)strlen(text));
    assert_memory_equal(bytes, text, strlen(text));
}

static void interim_answers_are_taken_and_nothing_else(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"HTTP/1.1 200 OK\r\n\r\ntls", "HTTP/1.1 200 OK\r\n\r\ntls"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\ntls", "HTTP/1.1 200 OK\r\n\r\ntls"},
        {"HTTP/1.1 100\n\nHTTP/1.0 103 E\nA: b\r\n\nHTTP/1.1 407 N\r\n\r\n", "HTTP/1.1 407 N\r\n\r\n"},
        {"HTTP/1.1 102 P\r\n\r\ngarbage, long enough", "garbage, long enough"},
        {"HTTP/1.1 101 S\r\n\r\n", "HTTP/1.1 101 S\r\n\r\n"},
        {"HTTP/2 100 Continue\r\n\r\n", "HTTP/2 100 Continue\r\n\r\n"},
        {"HTTP/1.1 1", "HTTP/1.1 1"}, /* woken by so little: the other side has closed */
        {"\r\n", "\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair pair = open_pair();
        say(&pair, cases[i][0]);
        assert_int_equal(interim_take(&pair.interim, pair.ours), *cases[i][1] != '\0');
        assert_left(&pair, cases[i][1]);
        close_pair(&pair);
    }
}

static void an_interim_answer_may_come_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "HTTP/1.1 102 Processing\r\nX-A: b\r\n\r\n";
    struct pair pair = open_pair();
    say(&pair, "HTTP/1.1 102");
    assert_false(interim_take(&pair.interim, pair.ours));
    for (const char *at = text + strlen("HTTP/1.1 102"); *at; at++) {
        say(&pair, (const char[]){*at, '\0'});
        assert_false(interim_take(&pair.interim, pair.ours));
    }
    assert_left(&pair, "");
    assert_false(interim_take(&pair.interim, pair.ours)); /* nothing there */
    say(&pair, "HTTP/1.1 200 OK\r\n\r\n");
    assert_true(interim_take(&pair.interim, pair.ours));
    say(&pair, "HTTP/1.1 100 Continue\r\n\r\n"); /* through the tunnel */
    assert_true(interim_take(&pair.interim, pair.ours));
    assert_left(&pair, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    close_pair(&pair);
}

static void a_proxy_that_closes_is_for_libcurl_to_see(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    say(&pair, "HTTP/1.1 100 Continue\r\nhalf a li");
    assert_false(interim_take(&pair.interim, pair.ours));
    close(pair.proxy);
    assert_true(interim_take(&pair.interim, pair.ours));
    close(pair.ours);
}

static void interim_answers_without_end_are_for_libcurl_to_judge(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    unsigned count = 0;
    do {
        say(&pair, "HTTP/1.1 100 Continue\r\n\r\n");
        count++;
    } while (!interim_take(&pair.interim, pair.ours) && count < 10000);
    assert_in_range(count, 1000, 4000);
    assert_left(&pair, "HTTP/1.1 100 Continue\r\n\r\n");
    close_pair(&pair);
}

static void where_none_are_expected_none_are_taken(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    pair.interim = (struct interim){0};
    say(&pair, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(interim_take(&pair.interim, pair.ours));
    assert_left(&pair, "HTTP/1.1 100 Continue\r\n\r\n");
    close_pair(&pair);
}

static int wakes_from(const struct pair *pair)
{
    int bytes = 0;
    socklen_t size = sizeof bytes;
    assert_int_equal(getsockopt(pair->ours, SOL_SOCKET, SO_RCVLOWAT, &bytes, &size), 0);
    return bytes;
}

static ssize_t there(const struct pair *pair)
{
    char bytes[256];
    return recv(pair->ours, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
}

/** Before libcurl reads for itself, with nobody woken: what is too short to tell stays, and is waited for. */
static void what_is_there_so_far_is_taken_too(void **state)
{
    (void)state;
    enum { STATUS = sizeof "HTTP/1.1 100" - 1 };
    struct pair pair = open_pair();
    assert_int_equal(wakes_from(&pair), STATUS);
    interim_take_so_far(&pair.interim, pair.ours);
    assert_true(pair.interim.expected);
    say(&pair, "HTTP/1.1 10");
    interim_take_so_far(&pair.interim, pair.ours);
    assert_true(pair.interim.expected && !pair.interim.within);
    assert_int_equal(there(&pair), STATUS - 1);
    say(&pair, "3 Early Hints\r\nLink: a\r\n");
    interim_take_so_far(&pair.interim, pair.ours);
    assert_true(pair.interim.expected && pair.interim.within);
    assert_int_equal(wakes_from(&pair), 1); /* of the rest every byte counts */
    assert_int_equal(there(&pair), -1);
    say(&pair, "\r\n");
    interim_take_so_far(&pair.interim, pair.ours);
    assert_int_equal(wakes_from(&pair), STATUS);
    say(&pair, "HTTP/1.1 100\r\n\r\nHTTP/1.1 200 OK\r\n\r\n");
    interim_take_so_far(&pair.interim, pair.ours);
    assert_false(pair.interim.expected);
    assert_int_equal(wakes_from(&pair), 1);
    assert_left(&pair, "HTTP/1.1 200 OK\r\n\r\n");
    close_pair(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interim_answers_are_taken_and_nothing_else),
        cmocka_unit_test(an_interim_answer_may_come_in_pieces),
        cmocka_unit_test(a_proxy_that_closes_is_for_libcurl_to_see),
        cmocka_unit_test(interim_answers_without_end_are_for_libcurl_to_judge),
        cmocka_unit_test(what_is_there_so_far_is_taken_too),
        cmocka_unit_test(where_none_are_expected_none_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
