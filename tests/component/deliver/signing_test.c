/* Bodies that take long to sign: where they are signed, how much a turn of the loop signs, and what becomes
 * of them when they are taken back meanwhile. */
#include "deliver/reading.h"
#include "deliver/signing.h"
#include "world.h"
#include <dlfcn.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>

typedef int updating(EVP_MAC_CTX *, const unsigned char *, size_t);

static pthread_t loop_thread;
/** Signed or verified by the loop's thread, and by others. */
static size_t by_loop;
static atomic_size_t by_others;

/** In front of OpenSSL's. */
int EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t len)
{
    updating *real = (updating *)dlsym(RTLD_NEXT, "EVP_MAC_update");
    if (pthread_equal(pthread_self(), loop_thread))
        by_loop += len;
    else
        atomic_fetch_add(&by_others, len);
    return real(ctx, data, len);
}

static struct world *large_world(void)
{
    loop_thread = pthread_self();
    return world_large(8);
}

static void count_from_here(void)
{
    by_loop = 0;
    atomic_store(&by_others, 0);
}

/** Nothing that the test itself signed counts. */
static size_t give_padded(struct world *world, struct event_text text, size_t padding)
{
    size_t before = by_loop;
    struct buffer value = {0};
    text.padding = padding;
    write_event(world, &text, &value);
    size_t signed_by_test = by_loop - before;
    buffer_clear(&value);
    size_t place = give(world, text);
    by_loop -= 2 * signed_by_test;
    return place;
}

/** Polled runs are not verified: what is counted is what is signed. */
static struct event_text run(const char *run_id, const char *path)
{
    return (struct event_text){.run_id = run_id, .path = path, .polled = true};
}

static size_t in_flight(const struct world *world)
{
    struct counters counters;
    deliver_counters(world->deliver, &counters);
    return counters.in_flight;
}

static void run_until_in_flight(struct world *world, size_t count)
{
    while (in_flight(world) < count)
        uv_run(&world->port->loop, UV_RUN_ONCE);
}

static void a_large_body_is_signed_elsewhere(void **state)
{
    (void)state;
    struct world *world = large_world();
    char expected[SIGNATURE_SIZE];
    count_from_here();
    give_padded(world, run("r_1", "/echo"), SIGNING_BYTES);
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    assert_true(world->echoed.len > SIGNING_BYTES);
    assert_int_equal(by_loop, 0);
    assert_true(by_others > world->echoed.len);
    assert_int_equal(
        signer_sign_text(world->signer, slice_of(world->timestamp), buffer_slice(&world->echoed), expected),
        0);
    assert_string_equal(world->signature, expected);
    assert_holds_nothing(world);
    world_free(world);
}

static void a_turn_signs_a_bounded_number_of_bytes(void **state)
{
    (void)state;
    enum { EACH = SIGNING_BYTES / 3, ALL = 4 }; /* as many as go to an endpoint that has not answered yet */
    struct world *world = large_world();
    count_from_here();
    for (int i = 0; i < ALL; i++)
        give_padded(world, run("r_1", "/500"), EACH); /* all of them in one turn */
    assert_int_equal(in_flight(world), ALL);
    assert_in_range(by_loop, 2 * EACH, SIGNING_BYTES);
    run_until(world->port, &world->done, ALL);
    assert_int_equal(world->arrived, ALL);
    assert_true(by_others > (size_t)(ALL - 2) * EACH);
    assert_holds_nothing(world);
    world_free(world);
}

static void what_is_withdrawn_while_it_is_signed_is_given_back(void **state)
{
    (void)state;
    struct world *world = large_world();
    int mine = 0;
    size_t gone = give_padded(world, (struct event_text){.run_id = "r_1", .path = "/ok", .assignment = &mine},
                              SIGNING_BYTES);
    run_until_in_flight(world, 1);
    assert_int_equal(world->given[gone].dropped + world->arrived, 0);
    world->sink.withdraw(world->sink.ctx, &mine, true);
    assert_int_equal(world->given[gone].dropped, 1);
    assert_true(deliver_idle(world->deliver));
    assert_holds_nothing(world);
    give_padded(world, run("r_2", "/500"), SIGNING_BYTES); /* those behind it go on */
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 1);
    world_free(world);
}

static void what_is_cancelled_while_it_is_signed_fails(void **state)
{
    (void)state;
    struct world *world = large_world();
    size_t answered;
    give_padded(world, run("r_1", "/ok"), SIGNING_BYTES);
    run_until_in_flight(world, 1);
    assert_int_equal(deliver_cancel_run(world->deliver, SLICE_LITERAL("r_1"), &answered), 1);
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 0);
    assert_holds_nothing(world);
    world_free(world);
}

static void the_deliveries_may_go_away_while_one_is_signed(void **state)
{
    (void)state;
    struct world *world = large_world();
    size_t place = give_padded(world, run("r_1", "/ok"), SIGNING_BYTES);
    run_until_in_flight(world, 1);
    world_free_under(world, place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_body_is_signed_elsewhere),
        cmocka_unit_test(a_turn_signs_a_bounded_number_of_bytes),
        cmocka_unit_test(what_is_withdrawn_while_it_is_signed_is_given_back),
        cmocka_unit_test(what_is_cancelled_while_it_is_signed_fails),
        cmocka_unit_test(the_deliveries_may_go_away_while_one_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
