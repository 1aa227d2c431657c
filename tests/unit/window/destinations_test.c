/* Destinations by name: which are remembered when they are idle, and which are forgotten. */
#include "window/destination.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char listed[256];

static void list_name(void *ctx, const struct destination *destination)
{
    (void)ctx;
    strcat(listed, destination->name);
    strcat(listed, ";");
}

static const char *list_all(const struct destinations *all)
{
    *listed = '\0';
    destinations_each(all, list_name, NULL);
    return listed;
}

static struct schedule schedule;

static struct destination *idle(struct destinations *all, const char *name)
{
    struct destination *destination = destination_find(all, name, 7);
    assert_non_null(destination);
    destination_settle(destination);
    return destination;
}

/** So many others are idle, one after the other. */
static void others_are_idle(struct destinations *all, unsigned count)
{
    char name[32];
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "http://host-%u", i);
        idle(all, name);
    }
}

static struct destination *find(struct destinations *all, const char *name)
{
    struct destination *destination = destination_find(all, name, 8);
    assert_non_null(destination);
    return destination;
}

static void each_name_is_made_once_and_shown_in_order(void **state)
{
    (void)state;
    struct destinations all;
    destinations_open(&all, &schedule);
    static const char *const names[] = {"http://m", "http://c", "http://t",
                                        "http://a", "http://z", "http://e"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct destination *destination = destination_find(&all, names[i], 7);
        assert_string_equal(destination->name, names[i]);
        assert_int_equal(destination->limit, 7);
        assert_ptr_equal(destination_find(&all, names[i], 8), destination);
        assert_int_equal(destination->limit, 7);
    }
    assert_string_equal(list_all(&all), "http://a;http://c;http://e;http://m;http://t;http://z;");
    destinations_free(&all);
    assert_string_equal(list_all(&(struct destinations){0}), "");
}

static void an_idle_one_is_remembered_until_too_many_others_have_been_idle(void **state)
{
    (void)state;
    struct destinations all;
    destinations_open(&all, &schedule);
    struct destination *first = idle(&all, "http://first"), *second = idle(&all, "http://second");
    first->latency_ms = second->latency_ms = 42;
    others_are_idle(&all, DESTINATIONS_REMEMBERED - 2);
    assert_ptr_equal(find(&all, "http://first"), first);
    assert_true(first->latency_ms > 41);
    destination_settle(first); /* idle again: the second is what has been so for longest */
    idle(&all, "http://one-more");
    assert_ptr_equal(find(&all, "http://first"), first);
    assert_true(find(&all, "http://second")->latency_ms < 1);
    assert_int_equal(all.idle_count, DESTINATIONS_REMEMBERED);
    destinations_free(&all);
}

enum use { REFERENCES, IN_TURN, IN_KEPT_RING, USES };

static void use(struct destination *destination, enum use how, bool used)
{
    destination->references = used && how == REFERENCES;
    destination->in_turn = used && how == IN_TURN;
    destination->in_kept_ring = used && how == IN_KEPT_RING;
}

static void one_in_use_is_neither_remembered_nor_forgotten(void **state)
{
    (void)state;
    for (enum use how = 0; how < USES; how++) {
        struct destinations all;
        destinations_open(&all, &schedule);
        struct destination *first = find(&all, "http://first"), *second = idle(&all, "http://second");
        use(first, how, true);
        destination_settle(first);
        assert_int_equal(all.idle_count, 1);
        use(second, how, true); /* used again: whoever takes its place does not end it */
        others_are_idle(&all, DESTINATIONS_REMEMBERED);
        assert_int_equal(all.idle_count, DESTINATIONS_REMEMBERED);
        assert_ptr_equal(find(&all, "http://first"), first);
        assert_ptr_equal(find(&all, "http://second"), second);
        use(second, how, false);
        second->latency_ms = 42;
        destination_settle(second);
        assert_true(find(&all, "http://second")->latency_ms > 41);
        destinations_free(&all);
    }
}

static void a_breaker_is_counted_while_it_is_not_closed(void **state)
{
    (void)state;
    struct destinations all;
    destinations_open(&all, &schedule);
    all.breakers_open = 1;
    struct destination *first = find(&all, "http://first");
    destination_close_breaker(first); /* it is closed */
    assert_int_equal(all.breakers_open, 1);
    first->breaker.state = BREAKER_OPEN;
    destination_settle(first);
    others_are_idle(&all, DESTINATIONS_REMEMBERED); /* forgotten with it */
    assert_int_equal(all.breakers_open, 0);
    destinations_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_is_made_once_and_shown_in_order),
        cmocka_unit_test(an_idle_one_is_remembered_until_too_many_others_have_been_idle),
        cmocka_unit_test(one_in_use_is_neither_remembered_nor_forgotten),
        cmocka_unit_test(a_breaker_is_counted_while_it_is_not_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
