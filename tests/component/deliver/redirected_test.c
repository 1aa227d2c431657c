/* What a redirect leaves of a webhook: with 307 and 308 all of it, with the others no body, and a signature
 * for that. */
#include "world.h"

/** A world whose webhooks follow redirects on their host. */
static struct world *redirected_new(void)
{
    struct world *world = world_open();
    http_client_close(world->webhooks, NULL, NULL);
    world->webhooks = loopback_client_with(&world->port->loop, HTTP_REDIRECTS_SAME_HOST);
    world_deliver(world, (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20});
    return world;
}

/** Delivers an event to `path`, which redirects to /echo. */
static struct world *deliver_to(const char *path)
{
    struct world *world = redirected_new();
    give(world, (struct event_text){.run_id = "r_1", .path = path});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 2);
    assert_string_equal(world->paths[1], "/echo");
    assert_string_equal(world->attempts[1], "1");
    assert_string_equal(world->keys[1], world->keys[0]);
    return world;
}

static void assert_signed(const struct world *world, struct slice body)
{
    char expected[SIGNATURE_SIZE];
    assert_int_equal(signer_sign_text(world->signer, slice_of(world->timestamp), body, expected), 0);
    assert_string_equal(world->signature, expected);
}

static void without_its_body_a_request_is_signed_anew(void **state)
{
    (void)state;
    static const char *const paths[] = {"/moved-301", "/moved-302", "/moved-303"};
    for (size_t i = 0; i < 3; i++) {
        struct world *world = deliver_to(paths[i]);
        assert_string_equal(world->type, "");
        assert_signed(world, SLICE_LITERAL(""));
        world_free(world);
    }
}

static void with_its_body_it_is_the_request_that_it_was(void **state)
{
    (void)state;
    static const char *const paths[] = {"/moved-307", "/moved-308"};
    for (size_t i = 0; i < 2; i++) {
        struct world *world = deliver_to(paths[i]);
        struct buffer body = {0};
        assert_string_equal(world->type, "application/json");
        buffer_appendf(
            &body,
            "{\"context\":{\"runId\":\"r_1\"},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":"
            "\"WEBHOOK\",\"agent\":true,\"synchronized\":false,\"url\":\"http://127.0.0.1:%d%s\"}}},"
            "\"headers\":{}}",
            http_server_port(world->endpoint), paths[i]);
        assert_signed(world, buffer_slice(&body));
        buffer_clear(&body);
        world_free(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_its_body_a_request_is_signed_anew),
        cmocka_unit_test(with_its_body_it_is_the_request_that_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
