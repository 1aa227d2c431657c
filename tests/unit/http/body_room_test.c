/* The memory that response bodies share: what each takes of it, who waits, and whose turn is next. Calls are
 * made here, and no connection is. */
#include "http/client_internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    KIB = 1024,
    FREE = 16 * KIB,
    STEP = 64 * KIB,
    /** Of those that can wait: three quarters of all. */
    WAITING_ROOM = 6 * STEP,
    ALL = 8 * STEP,
    LONGEST = 5 * STEP,
    CALLS = 8
};

static struct client_shared shared;
static struct http_call calls[CALLS];
static char get[] = "GET", bytes[LONGEST + 1];
static size_t elsewhere;

static size_t held_elsewhere(void *ctx)
{
    (void)ctx;
    return elsewhere;
}

static int begin(void **state)
{
    static char urls[CALLS][32];
    (void)state;
    memset(&shared, 0, sizeof shared);
    shared.options.total_response_bytes = ALL;
    shared.options.held_elsewhere = held_elsewhere;
    elsewhere = 0;
    for (int i = 0; i < CALLS; i++) {
        snprintf(urls[i], sizeof urls[i], "http://h%d/path", i);
        calls[i] = (struct http_call){
            .shared = &shared, .ours = true, .method = get, .url = urls[i], .max_response_bytes = LONGEST};
        calls[i].exchange.response.status = 200;
        calls[i].exchange.response.version = 11;
        calls[i].exchange.response.length = -1;
        LIST_INSERT_HEAD(&shared.calls, &calls[i], active);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < CALLS; i++) {
        body_leave(&calls[i]);
        buffer_clear(&calls[i].response);
    }
    assert_int_equal(shared.body_room.used, 0);
    assert_int_equal(shared.body_room.decoders, 0);
    assert_null(shared.body_room.beyond);
    assert_null(shared.body_room.waiting);
    return 0;
}

static enum body_taken come(int n, size_t len)
{
    return body_take(&calls[n], (struct slice){bytes, len});
}

static void take(int n, size_t len)
{
    assert_int_equal(come(n, len), BODY_TAKEN);
}

static void held_back(int n, size_t len)
{
    size_t before = calls[n].response.len;
    assert_int_equal(come(n, len), BODY_HELD_BACK);
    assert_true(calls[n].waiting);
    assert_int_equal(calls[n].response.len, before);
}

/* What a body takes */

static void a_short_body_takes_nothing(void **state)
{
    (void)state;
    take(0, FREE);
    assert_int_equal(shared.body_room.used, 0);
    take(0, 1);
    assert_int_equal(shared.body_room.used, STEP);
    assert_int_equal(calls[0].response.len, FREE + 1);
    assert_int_equal(calls[0].received, FREE + 1);
}

static void a_body_of_unknown_length_takes_a_step_at_a_time(void **state)
{
    (void)state;
    take(0, STEP);
    assert_int_equal(shared.body_room.used, STEP);
    take(0, 1);
    assert_int_equal(shared.body_room.used, 2 * STEP);
    take(0, STEP - 1);
    assert_int_equal(shared.body_room.used, 2 * STEP);
    body_leave(&calls[0]);
    assert_int_equal(shared.body_room.used, 0);
}

static void what_was_announced_is_taken_at_once(void **state)
{
    (void)state;
    calls[0].exchange.response.length = 2 * STEP + 5;
    take(0, FREE + 1);
    assert_int_equal(shared.body_room.used, 2 * STEP + 5);
    calls[1].exchange.response.length = FREE; /* it says less than comes */
    take(1, FREE + 1);
    assert_int_equal(shared.body_room.used, 3 * STEP + 5);
}

static void nobody_takes_more_than_the_longest_body(void **state)
{
    (void)state;
    calls[0].exchange.response.length = 100 * STEP;
    take(0, FREE + 1);
    assert_int_equal(shared.body_room.used, LONGEST);
    take(0, LONGEST - FREE - 1);
    assert_int_equal(come(0, 1), BODY_ENDED);
    assert_int_equal(calls[0].cut, HTTP_CUT_TOO_LONG);
    assert_int_equal(calls[0].response.len, LONGEST);
}

static void a_body_that_is_longer_in_one_piece_is_cut_where_it_may_be(void **state)
{
    (void)state;
    assert_int_equal(come(0, LONGEST + 1), BODY_ENDED);
    assert_int_equal(calls[0].cut, HTTP_CUT_TOO_LONG);
    assert_int_equal(calls[0].response.len, LONGEST);
}

static void a_large_window_takes_as_much_again(void **state)
{
    (void)state;
    calls[0].decoder_known = calls[0].large_window = true;
    calls[0].most_kept = SIZE_MAX;
    take(0, FREE + 1);
    assert_int_equal(shared.body_room.used, 2 * STEP);
    assert_in_range(calls[0].response.cap, FREE + 1, STEP);
}

static void of_what_nobody_reads_only_that_is_kept(void **state)
{
    (void)state;
    calls[0].discard_body = true;
    calls[0].keep_bytes = 10;
    take(0, 4 * STEP);
    assert_int_equal(calls[0].response.len, 10);
    assert_int_equal(calls[0].received, 4 * STEP);
    assert_int_equal(shared.body_room.used, 0);
}

static void without_a_bound_nobody_takes_anything(void **state)
{
    (void)state;
    shared.options.total_response_bytes = 0;
    for (int i = 0; i < CALLS; i++)
        take(i, LONGEST);
    assert_int_equal(shared.body_room.used, 0);
}

/* Who waits */

static void one_has_space_of_its_own_when_nothing_is_left_and_others_wait(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        take(i, 2 * STEP);
    assert_int_equal(shared.body_room.used, WAITING_ROOM);
    take(3, FREE + 1); /* beyond the bound, for all that may come */
    assert_ptr_equal(shared.body_room.beyond, &calls[3]);
    assert_int_equal(shared.body_room.used, WAITING_ROOM);
    take(3, LONGEST - FREE - 1);
    held_back(4, FREE + 1);
    held_back(5, FREE + 1);
    assert_null(body_give_room(&shared.body_room));
    body_leave(&calls[3]);
    assert_ptr_equal(body_give_room(&shared.body_room), &calls[4]); /* the first, beyond the bound again */
    assert_ptr_equal(shared.body_room.beyond, &calls[4]);
    assert_false(calls[4].waiting);
    assert_null(body_give_room(&shared.body_room));
    body_leave(&calls[0]);
    assert_ptr_equal(body_give_room(&shared.body_room), &calls[5]);
    assert_int_equal(shared.body_room.used, 4 * STEP + STEP);
    take(5, STEP);
}

static void whoever_goes_away_waits_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        take(i, 2 * STEP);
    take(3, FREE + 1);
    held_back(4, FREE + 1);
    held_back(5, FREE + 1);
    held_back(6, FREE + 1);
    body_leave(&calls[5]);
    body_leave(&calls[4]);
    body_leave(&calls[0]);
    assert_ptr_equal(body_give_room(&shared.body_room), &calls[6]);
    assert_null(shared.body_room.waiting);
}

static void one_origin_has_half_at_most(void **state)
{
    (void)state;
    char same[] = "http://h0?other", beside[] = "http://h0:80/path";
    calls[1].url = same;
    calls[2].url = beside;
    take(0, 2 * STEP);
    take(1, STEP); /* half, together */
    assert_int_equal(shared.body_room.used, 3 * STEP);
    take(1, 1); /* more of it is beyond */
    assert_ptr_equal(shared.body_room.beyond, &calls[1]);
    assert_int_equal(shared.body_room.used, 2 * STEP);
    take(2, 2 * STEP); /* another origin */
    assert_int_equal(shared.body_room.used, 4 * STEP);
}

static void one_alone_at_its_origin_may_have_more_than_half(void **state)
{
    (void)state;
    take(0, LONGEST);
    assert_int_equal(shared.body_room.used, LONGEST);
    assert_null(shared.body_room.beyond);
}

static void what_others_hold_elsewhere_counts(void **state)
{
    (void)state;
    elsewhere = WAITING_ROOM - STEP;
    take(0, STEP);
    assert_int_equal(shared.body_room.used, STEP);
    take(0, 1);
    assert_ptr_equal(shared.body_room.beyond, &calls[0]);
    elsewhere = WAITING_ROOM + 1; /* nothing may begin beyond that */
    body_leave(&calls[0]);
    held_back(1, STEP);
}

/** It cannot wait, and has the last quarter beside the others. */
static void a_stream_takes_all_that_is_left_or_is_cut(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        calls[i].exchange.response.version = 20;
    take(4, 2 * STEP);
    take(5, 2 * STEP);
    take(6, 2 * STEP);
    take(0, 2 * STEP);
    assert_int_equal(shared.body_room.used, ALL);
    assert_int_equal(come(1, FREE + 1), BODY_ENDED);
    assert_int_equal(calls[1].cut, HTTP_CUT_NO_ROOM);
    assert_int_equal(calls[1].response.len, 0);
    assert_null(shared.body_room.beyond);
    take(2, FREE); /* what is short is read all the same */
}

/* The end of a body */

static void a_transfer_coding_that_cannot_be_undone_leaves_nothing(void **state)
{
    (void)state;
    take(0, 5);
    body_over(&calls[0], CURLE_OK);
    assert_int_equal(calls[0].cut, HTTP_WHOLE);
    assert_int_equal(calls[0].response.len, 5);
    body_over(&calls[0], CURLE_BAD_CONTENT_ENCODING);
    assert_int_equal(calls[0].cut, HTTP_CUT_UNREADABLE);
    assert_int_equal(calls[0].response.len, 0);
}

static void what_libcurl_is_told_of_a_piece(void **state)
{
    (void)state;
    assert_int_equal(body_received(bytes, 1, 10, &calls[0]), 10);
    assert_int_equal(body_received(bytes, 1, LONGEST, &calls[0]), CURL_WRITEFUNC_ERROR);
    body_leave(&calls[0]);
    for (int i = 1; i < 5; i++)
        take(i, 2 * STEP);
    assert_int_equal(body_received(bytes, 2, STEP, &calls[5]), CURL_WRITEFUNC_PAUSE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_short_body_takes_nothing),
        TEST(a_body_of_unknown_length_takes_a_step_at_a_time),
        TEST(what_was_announced_is_taken_at_once),
        TEST(nobody_takes_more_than_the_longest_body),
        TEST(a_body_that_is_longer_in_one_piece_is_cut_where_it_may_be),
        TEST(a_large_window_takes_as_much_again),
        TEST(of_what_nobody_reads_only_that_is_kept),
        TEST(without_a_bound_nobody_takes_anything),
        TEST(one_has_space_of_its_own_when_nothing_is_left_and_others_wait),
        TEST(whoever_goes_away_waits_no_more),
        TEST(one_origin_has_half_at_most),
        TEST(one_alone_at_its_origin_may_have_more_than_half),
        TEST(what_others_hold_elsewhere_counts),
        TEST(a_stream_takes_all_that_is_left_or_is_cut),
        TEST(a_transfer_coding_that_cannot_be_undone_leaves_nothing),
        TEST(what_libcurl_is_told_of_a_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
