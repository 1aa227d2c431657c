/* Clients in whose place others come because certificates have changed: what is under way ends as it began,
 * over real TLS on loopback, and what begins goes by what is new. */
#include "../http/tested_client.h"
#include "agent/run/former.h"
#include "http/authorities.h"
#include "http/client_certificates.h"

#include "../tls_server.h"

enum { SERVERS = 2 };

struct world {
    struct tested_client http;
    /** Of its client's. */
    struct client_files files;
    struct former_clients *former;
    struct tls_server servers[SERVERS];
    EVP_PKEY *key, *keys[SERVERS];
    X509 *authorities[SERVERS];
    char directory[64], ca[96], cert[96];
    size_t done;
    enum http_failure failure;
    char reason[HTTP_REASON_SIZE];
    bool closed;
};

static void nothing_is_told(void *ctx, const char *sentence)
{
    (void)ctx;
    (void)sentence;
}

static struct http_client_options options_of(struct world *world)
{
    return (struct http_client_options){.loop = &world->http.loop,
                                        .clock = &world->http.clock,
                                        .user_agent = "test",
                                        .connect_timeout_ms = 60000,
                                        .idle_timeout_ms = 60000,
                                        .total_timeout_ms = 60000,
                                        .max_response_bytes = 1000,
                                        .max_connections = 8,
                                        .verify_tls = true,
                                        .authorities = world->files.authorities,
                                        .client_certificates = world->files.webhooks};
}

static void read_files(struct world *world, bool shows_one)
{
    struct error err = {0};
    const struct authorities_options trusted = {
        .ssl_cert_file = world->ca, .system_bundle = "/no/where", .warn = nothing_is_told};
    const struct client_certificate_source shown = {
        .cert_name = "CERT", .key_name = "KEY", .cert = world->cert};
    world->files.authorities = authorities_new(&trusted, &err);
    assert_non_null(world->files.authorities);
    world->files.webhooks = shows_one ? client_certificates_new(&shown, &err) : NULL;
    assert_true(!shows_one || world->files.webhooks);
}

/** Certificates as they are in the files now. */
static void take_new_clients(struct world *world, bool shows_one)
{
    struct error err = {0};
    struct http_client_options options = options_of(world);
    struct http_client *other = http_client_new(&options, &err);
    assert_non_null(other);
    const struct client_set before = {.webhooks = world->http.client, .port = other};
    former_clients_take(world->former, &before, &world->files);
    assert_null(world->files.authorities);
    read_files(world, shows_one);
    options = options_of(world);
    world->http.client = http_client_new(&options, &err);
    assert_non_null(world->http.client);
}

static void trust(struct world *world, size_t count)
{
    FILE *file = fopen(world->ca, "w");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(PEM_write_X509(file, world->authorities[i]), 1);
    fclose(file);
}

static void show(struct world *world, const char *name)
{
    X509 *certificate = certificate_new(name, world->key, world->authorities[0], world->keys[0], -60, 3600);
    write_pem(world->cert, certificate, world->key);
    X509_free(certificate);
}

static void open_world(struct world *world, bool shows_one)
{
    memset(world, 0, sizeof *world);
    snprintf(world->directory, sizeof world->directory, "/tmp/former-certificates-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->ca, sizeof world->ca, "%s/ca.pem", world->directory);
    snprintf(world->cert, sizeof world->cert, "%s/cert.pem", world->directory);
    world->key = EVP_EC_gen("P-256");
    for (size_t i = 0; i < SERVERS; i++) {
        world->keys[i] = EVP_EC_gen("P-256");
        world->authorities[i] = certificate_new(i == 0 ? "first authority" : "second authority",
                                                world->keys[i], NULL, NULL, -60, 3600);
        X509 *server =
            certificate_new("server", world->key, world->authorities[i], world->keys[i], -60, 3600);
        tls_server_open(&world->servers[i], server, world->key);
        X509_free(server);
    }
    if (shows_one)
        tls_server_ask(&world->servers[0], world->authorities[0], true);
    for (size_t i = 0; i < SERVERS; i++)
        tls_server_start(&world->servers[i]);
    trust(world, 1);
    show(world, "one");
    read_files(world, shows_one);
    tested_client_open(&world->http, 0, options_of(world));
    world->former = former_clients_new(&world->http.loop);
    assert_non_null(world->former);
}

static void all_closed(void *ctx)
{
    struct world *world = ctx;
    world->closed = true;
}

static void close_world(struct world *world)
{
    char command[128];
    former_clients_close(world->former, all_closed, world);
    tested_client_close(&world->http);
    assert_true(world->closed);
    client_files_free(&world->files);
    for (size_t i = 0; i < SERVERS; i++) {
        tls_server_close(&world->servers[i]);
        X509_free(world->authorities[i]);
        EVP_PKEY_free(world->keys[i]);
    }
    EVP_PKEY_free(world->key);
    snprintf(command, sizeof command, "rm -rf %s", world->directory);
    assert_int_equal(system(command), 0);
}

static void ended(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->failure = result->failure;
    snprintf(world->reason, sizeof world->reason, "%s", result->reason);
    world->done++;
}

static void start(struct world *world, size_t server)
{
    char url[128];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", world->servers[server].port);
    const struct http_request request = {.method = "GET", .url = url};
    assert_non_null(http_start(world->http.client, &request, ended, world));
}

static void await(struct world *world, size_t done, enum http_failure failure)
{
    while (world->done < done)
        uv_run(&world->http.loop, UV_RUN_ONCE);
    assert_int_equal(world->done, done);
    if (world->failure != failure)
        fail_msg("%s", world->reason);
}

static void await_no_former(struct world *world)
{
    while (former_clients_there(world->former))
        uv_run(&world->http.loop, UV_RUN_ONCE);
    assert_null(former_clients_webhooks(world->former));
}

/** It does not get to its requests until it is let go on. */
static void hold(struct tls_server *server)
{
    pthread_mutex_lock(&server->lock);
}

static void let_go_on(struct tls_server *server)
{
    pthread_mutex_unlock(&server->lock);
}

static void an_authority_is_added_while_requests_are_under_way(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, false);
    start(&world, 1);
    await(&world, 1, HTTP_TLS_CERTIFICATE);
    hold(&world.servers[0]);
    start(&world, 0);
    start(&world, 0);
    trust(&world, 2);
    take_new_clients(&world, false);
    start(&world, 1);
    await(&world, 2, HTTP_OK); /* the other server's, which the former client did not trust */
    assert_true(former_clients_there(world.former));
    assert_int_equal(http_client_active(former_clients_webhooks(world.former)), 2);
    let_go_on(&world.servers[0]);
    await(&world, 4, HTTP_OK);
    await_no_former(&world);
    start(&world, 0);
    await(&world, 5, HTTP_OK);
    assert_int_equal(world.servers[0].requests, 3); /* each once */
    close_world(&world);
}

static void a_client_certificate_is_replaced(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, true);
    start(&world, 0);
    await(&world, 1, HTTP_OK);
    hold(&world.servers[0]);
    start(&world, 0); /* on the connection that there is */
    show(&world, "two");
    take_new_clients(&world, true);
    let_go_on(&world.servers[0]);
    await(&world, 2, HTTP_OK);
    start(&world, 0);
    await(&world, 3, HTTP_OK);
    await_no_former(&world);
    assert_client(&world.servers[0], 0, "one");
    assert_client(&world.servers[0], 1, "one");
    assert_client(&world.servers[0], 2, "two");
    take_new_clients(&world, true); /* with nothing under way, and an idle connection */
    await_no_former(&world);
    start(&world, 0);
    await(&world, 4, HTTP_OK);
    assert_int_equal(world.servers[0].connections, 3);
    close_world(&world);
}

static void what_is_under_way_at_the_end_is_cancelled(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, false);
    hold(&world.servers[0]);
    start(&world, 0);
    take_new_clients(&world, false);
    former_clients_close(world.former, all_closed, &world);
    await(&world, 1, HTTP_CANCELLED);
    while (!world.closed)
        uv_run(&world.http.loop, UV_RUN_ONCE);
    let_go_on(&world.servers[0]);
    world.former = former_clients_new(&world.http.loop);
    assert_non_null(world.former);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authority_is_added_while_requests_are_under_way),
        cmocka_unit_test(a_client_certificate_is_replaced),
        cmocka_unit_test(what_is_under_way_at_the_end_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
