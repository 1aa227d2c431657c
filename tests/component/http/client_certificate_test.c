/* Which server is shown which certificate of ours, and whom we trust, over real TLS on loopback. */
#include "http/authorities.h"
#include "http/client.h"
#include "http/client_certificates.h"
#include "tested_client.h"

#include "../tls_server.h"
#include <signal.h>

struct world {
    struct tested_client http;
    struct tls_server servers[2];
    char directory[64], ca[96], one[96], two[96];
    EVP_PKEY *authority_key, *key;
    X509 *authority, *server;
    struct authorities *authorities;
    struct client_certificates *certificates;
    size_t done;
    enum http_failure failure;
    int status;
    char reason[HTTP_REASON_SIZE];
};

/** How often libcurl has read authorities from a file. */
static size_t files_read;

int X509_STORE_load_file(X509_STORE *store, const char *file)
{
    files_read++;
    return X509_STORE_load_locations(store, file, NULL);
}

static void make_certificate(struct world *world, const char *path, const char *name)
{
    X509 *certificate = certificate_new(name, world->key, world->authority, world->authority_key, -60, 3600);
    write_pem(path, certificate, world->key);
    X509_free(certificate);
}

static void open_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    snprintf(world->directory, sizeof world->directory, "/tmp/client-certificate-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->ca, sizeof world->ca, "%s/ca.pem", world->directory);
    snprintf(world->one, sizeof world->one, "%s/one.pem", world->directory);
    snprintf(world->two, sizeof world->two, "%s/two.pem", world->directory);
    world->authority_key = EVP_EC_gen("P-256");
    world->key = EVP_EC_gen("P-256");
    world->authority = certificate_new("authority", world->authority_key, NULL, NULL, -60, 3600);
    world->server = certificate_new("server", world->key, world->authority, world->authority_key, -60, 3600);
    write_pem(world->ca, world->authority, NULL);
    make_certificate(world, world->one, "one");
    make_certificate(world, world->two, "two");
    for (size_t i = 0; i < 2; i++) {
        tls_server_open(&world->servers[i], world->server, world->key);
        world->servers[i].polite = true;
    }
}

/** `cert` as in the setting; NULL: none. */
static void open_client(struct world *world, const char *cert, enum http_redirects redirects)
{
    struct error err = {0};
    const struct client_certificate_source source = {.cert_name = "CERT", .key_name = "KEY", .cert = cert};
    world->certificates = cert ? client_certificates_new(&source, &err) : NULL;
    if (cert && !world->certificates)
        fail_msg("%s", err.message);
    const struct authorities_options trusted = {.system_bundle = world->ca};
    world->authorities = authorities_new(&trusted, &err);
    assert_non_null(world->authorities);
    for (size_t i = 0; i < 2; i++)
        tls_server_start(&world->servers[i]);
    struct http_client_options options = {.connect_timeout_ms = 60000,
                                          .idle_timeout_ms = 60000,
                                          .total_timeout_ms = 60000,
                                          .max_response_bytes = 1000,
                                          .max_connections = 8,
                                          .verify_tls = true,
                                          .authorities = world->authorities,
                                          .client_certificates = world->certificates,
                                          .client_certificate_setting = "CERT",
                                          .redirects = redirects};
    tested_client_open(&world->http, 0, options);
}

static void close_world(struct world *world)
{
    char command[128];
    tested_client_close(&world->http);
    for (size_t i = 0; i < 2; i++)
        tls_server_close(&world->servers[i]);
    client_certificates_free(world->certificates);
    authorities_free(world->authorities);
    X509_free(world->authority);
    X509_free(world->server);
    EVP_PKEY_free(world->authority_key);
    EVP_PKEY_free(world->key);
    snprintf(command, sizeof command, "rm -rf %s", world->directory);
    assert_int_equal(system(command), 0);
}

static void ended(void *ctx, const struct http_result *result)
{
    struct world *world = ctx;
    world->failure = result->failure;
    world->status = result->status;
    snprintf(world->reason, sizeof world->reason, "%s", result->reason);
    world->done++;
}

static void get(struct world *world, const char *host, size_t server)
{
    char url[128];
    size_t before = world->done;
    snprintf(url, sizeof url, "https://%s:%d/", host, world->servers[server].port);
    const struct http_request request = {.method = "GET", .url = url};
    assert_non_null(http_start(world->http.client, &request, ended, world));
    while (world->done == before)
        uv_run(&world->http.loop, UV_RUN_ONCE);
}

static void get_well(struct world *world, const char *host, size_t server)
{
    get(world, host, server);
    if (world->failure != HTTP_OK)
        fail_msg("%s", world->reason);
}

/** It would be done on the loop, and takes longer than a turn may. */
static void no_connection_reads_the_authorities(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    open_client(&world, NULL, HTTP_REDIRECTS_NONE);
    files_read = 0;
    for (size_t i = 0; i < 2; i++) {
        get_well(&world, "127.0.0.1", i);
        get_well(&world, "localhost", i);
        assert_int_equal(world.servers[i].connections, 2);
    }
    assert_int_equal(files_read, 0);
    close_world(&world);
}

static void a_server_that_asks_is_shown_the_certificate(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    tls_server_ask(&world.servers[0], world.authority, true);
    open_client(&world, world.one, HTTP_REDIRECTS_NONE);
    get_well(&world, "127.0.0.1", 0);
    get_well(&world, "127.0.0.1", 0);
    get_well(&world, "127.0.0.1", 1); /* does not ask */
    assert_client(&world.servers[0], 0, "one");
    assert_client(&world.servers[0], 1, "one");
    assert_client(&world.servers[1], 0, "");
    assert_int_equal(world.servers[0].connections, 1);
    close_world(&world);
}

static void each_host_has_its_own_and_others_have_none(void **state)
{
    (void)state;
    struct world world;
    char json[512];
    open_world(&world);
    tls_server_ask(&world.servers[0], world.authority, false);
    tls_server_ask(&world.servers[1], world.authority, false);
    snprintf(json, sizeof json, "{\"127.0.0.1:%d\": {\"cert\": \"%s\"}, \"localhost\": {\"cert\": \"%s\"}}",
             world.servers[0].port, world.one, world.two);
    open_client(&world, json, HTTP_REDIRECTS_NONE);
    get_well(&world, "127.0.0.1", 0);
    get_well(&world, "localhost", 0);
    get_well(&world, "127.0.0.1", 1);
    get_well(&world, "LOCALHOST", 1);
    assert_client(&world.servers[0], 0, "one");
    assert_client(&world.servers[0], 1, "two");
    assert_client(&world.servers[1], 0, "");
    assert_client(&world.servers[1], 1, "two");
    close_world(&world);
}

/** There and back again: the last hop has no certificate either, though a connection with one is there. */
static void a_redirect_to_another_origin_takes_none_along(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    tls_server_ask(&world.servers[0], world.authority, false);
    tls_server_ask(&world.servers[1], world.authority, false);
    snprintf(world.servers[0].answer, sizeof world.servers[0].answer,
             "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
             world.servers[1].port);
    snprintf(world.servers[1].answer, sizeof world.servers[1].answer,
             "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n",
             world.servers[0].port);
    open_client(&world, world.one, HTTP_REDIRECTS_ALL);
    get(&world, "127.0.0.1", 0);
    assert_int_equal(world.failure, HTTP_REDIRECT); /* round and round */
    assert_int_equal(world.servers[0].requests, 3);
    assert_int_equal(world.servers[1].requests, 3);
    assert_client(&world.servers[0], 0, "one");
    assert_client(&world.servers[0], 1, "");
    assert_client(&world.servers[0], 2, "");
    for (size_t i = 0; i < 3; i++)
        assert_client(&world.servers[1], i, "");
    assert_int_equal(world.servers[0].connections, 2);
    get(&world, "127.0.0.1", 0); /* the handle that had none has it again */
    assert_client(&world.servers[0], 3, "one");
    close_world(&world);
}

static void assert_reason(const struct world *world, const char *words)
{
    if (!strstr(world->reason, words))
        fail_msg("'%s' does not say '%s'", world->reason, words);
}

static void a_server_that_wants_one_is_told_with_the_setting(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    tls_server_ask(&world.servers[0], world.authority, true);
    tls_server_ask(&world.servers[1], world.authority, true);
    SSL_CTX_set_max_proto_version(world.servers[1].context, TLS1_2_VERSION);
    open_client(&world, NULL, HTTP_REDIRECTS_NONE);
    get(&world, "127.0.0.1", 0);
    assert_int_equal(world.failure, HTTP_TLS);
    assert_reason(&world, "alert certificate required");
    assert_reason(&world, "; it wants a client certificate: see CERT");
    get(&world, "127.0.0.1", 1);
    assert_int_equal(world.failure, HTTP_TLS);
    assert_reason(&world, "alert handshake failure");
    assert_reason(&world, "; perhaps it wants a client certificate: see CERT");
    close_world(&world);
}

/** Debian 12's libcurl gives a connection up that is reset, and what had come before with it. */
static void a_server_that_wants_one_and_does_not_wait_is_told_too(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    tls_server_ask(&world.servers[0], world.authority, true);
    world.servers[0].polite = false;
    open_client(&world, NULL, HTTP_REDIRECTS_NONE);
    for (int i = 0; i < 10; i++) {
        get(&world, "127.0.0.1", 0);
        bool told = strstr(world.reason, "it wants a client certificate: see CERT") != NULL;
        if (http_client_can_http2() ? world.failure != HTTP_TLS || !told : world.failure == HTTP_OK)
            fail_msg("%s: %s", http_failure_name(world.failure), world.reason);
    }
    close_world(&world);
}

static void a_server_that_refuses_it_is_told(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    EVP_PKEY *other_key = EVP_EC_gen("P-256");
    X509 *other = certificate_new("other", other_key, NULL, NULL, -60, 3600);
    tls_server_ask(&world.servers[0], other, true);
    tls_server_ask(&world.servers[1], other, true);
    SSL_CTX_set_max_proto_version(world.servers[1].context, TLS1_2_VERSION);
    open_client(&world, world.one, HTTP_REDIRECTS_NONE);
    for (size_t i = 0; i < 2; i++) {
        get(&world, "127.0.0.1", i);
        assert_int_equal(world.failure, HTTP_TLS);
        assert_reason(&world, " alert unknown ca");
        assert_reason(&world, "; it refuses the client certificate of CERT");
    }
    X509_free(other);
    EVP_PKEY_free(other_key);
    close_world(&world);
}

static void nothing_older_than_tls_1_2_is_spoken(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX_set_security_level(world.servers[i].context, 0);
        SSL_CTX_set_min_proto_version(world.servers[i].context, TLS1_VERSION);
        SSL_CTX_set_max_proto_version(world.servers[i].context, i == 0 ? TLS1_1_VERSION : TLS1_2_VERSION);
    }
    open_client(&world, NULL, HTTP_REDIRECTS_NONE);
    get(&world, "127.0.0.1", 0);
    assert_int_equal(world.failure, HTTP_TLS);
    assert_int_equal(world.servers[0].connections, 0);
    get_well(&world, "127.0.0.1", 1);
    assert_string_equal(world.servers[1].version, "TLSv1.2");
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_connection_reads_the_authorities),
        cmocka_unit_test(a_server_that_asks_is_shown_the_certificate),
        cmocka_unit_test(each_host_has_its_own_and_others_have_none),
        cmocka_unit_test(a_redirect_to_another_origin_takes_none_along),
        cmocka_unit_test(a_server_that_wants_one_is_told_with_the_setting),
        cmocka_unit_test(a_server_that_wants_one_and_does_not_wait_is_told_too),
        cmocka_unit_test(a_server_that_refuses_it_is_told),
        cmocka_unit_test(nothing_older_than_tls_1_2_is_spoken),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
