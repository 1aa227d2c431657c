/* How brokers are spoken to over TLS: with which certificate, and with which versions. */
#include "kafka/connection.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../tls_server.h"

struct world {
    struct tls_server server;
    EVP_PKEY *key;
    X509 *authority, *certificate;
    char directory[64], ca[96], own[96], address[64];
    rd_kafka_t *client;
};

static void open_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    snprintf(world->directory, sizeof world->directory, "/tmp/kafka-tls-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->ca, sizeof world->ca, "%s/ca.pem", world->directory);
    snprintf(world->own, sizeof world->own, "%s/own.pem", world->directory);
    world->key = EVP_EC_gen("P-256");
    world->authority = certificate_new("authority", world->key, NULL, NULL, -60, 3600);
    world->certificate = certificate_new("agent", world->key, world->authority, world->key, -60, 3600);
    write_pem(world->ca, world->authority, NULL);
    write_pem(world->own, world->certificate, world->key);
    tls_server_open(&world->server, world->certificate, world->key);
}

static void start_client(struct world *world, const char *client_certificate)
{
    struct error err = {0};
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    tls_server_start(&world->server);
    snprintf(world->address, sizeof world->address, "127.0.0.1:%d", world->server.port);
    const struct kafka_connection connection = {.bootstrap_servers = world->address,
                                                .security_protocol = "ssl",
                                                .ca_bundle = world->ca,
                                                .client_certificate = client_certificate};
    assert_int_equal(kafka_connection_set(conf, &connection, &err), 0);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR);
    world->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    assert_non_null(world->client);
    rd_kafka_set_log_queue(world->client, NULL);
}

static void close_world(struct world *world)
{
    char command[128];
    rd_kafka_destroy(world->client);
    tls_server_close(&world->server);
    X509_free(world->authority);
    X509_free(world->certificate);
    EVP_PKEY_free(world->key);
    snprintf(command, sizeof command, "rm -rf %s", world->directory);
    assert_int_equal(system(command), 0);
}

/** Asks for metadata, which needs a connection, for a moment. */
static void ask_for_a_moment(struct world *world)
{
    const struct rd_kafka_metadata *metadata = NULL;
    if (rd_kafka_metadata(world->client, 0, NULL, &metadata, 50) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

static size_t connections(struct world *world, char client[32])
{
    pthread_mutex_lock(&world->server.lock);
    size_t count = world->server.connections;
    memcpy(client, world->server.client, 32);
    pthread_mutex_unlock(&world->server.lock);
    return count;
}

static void a_broker_that_asks_is_shown_the_certificate(void **state)
{
    (void)state;
    struct world world;
    char client[32] = "";
    open_world(&world);
    tls_server_ask(&world.server, world.authority, true);
    start_client(&world, world.own);
    while (connections(&world, client) == 0)
        ask_for_a_moment(&world);
    assert_string_equal(client, "agent");
    close_world(&world);
}

static void none_is_shown_where_there_is_none(void **state)
{
    (void)state;
    struct world world;
    char client[32] = "";
    open_world(&world);
    tls_server_ask(&world.server, world.authority, false);
    start_client(&world, "");
    while (connections(&world, client) == 0)
        ask_for_a_moment(&world);
    assert_string_equal(client, "");
    close_world(&world);
}

/** Waits for the client's word that TLS failed; the reason goes to `reason`. */
static void await_tls_error(struct world *world, char reason[256])
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(world->client);
    bool failed = false;
    while (!failed) {
        ask_for_a_moment(world);
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 0);
        if (event && rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__SSL) {
            snprintf(reason, 256, "%s", rd_kafka_event_error_string(event));
            failed = true;
        }
        if (event)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

static void nothing_older_than_tls_1_2_is_spoken(void **state)
{
    (void)state;
    struct world world;
    char client[32], reason[256];
    open_world(&world);
    SSL_CTX_set_security_level(world.server.context, 0);
    SSL_CTX_set_min_proto_version(world.server.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(world.server.context, TLS1_1_VERSION);
    start_client(&world, "");
    await_tls_error(&world, reason);
    assert_int_equal(connections(&world, client), 0);
    close_world(&world);
}

/** OpenSSL has been told to speak whatever it can, as an operator may have done for something else. */
static int be_lax(char *path)
{
    static const char text[] = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = lax\n"
                               "[lax]\nMinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n";
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, text, sizeof text - 1) == (ssize_t)sizeof text - 1;
    close(fd);
    return written && setenv("OPENSSL_CONF", path, 1) == 0 ? 0 : -1;
}

int main(void)
{
    char lax[] = "/tmp/kafka-tls-lax-XXXXXX";
    if (be_lax(lax) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_that_asks_is_shown_the_certificate),
        cmocka_unit_test(none_is_shown_where_there_is_none),
        cmocka_unit_test(nothing_older_than_tls_1_2_is_spoken),
    };
    signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(lax);
    return failed;
}
