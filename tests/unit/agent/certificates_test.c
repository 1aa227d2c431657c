/* Certificates that are read again: what decides about them, what has changed, and what is refused. */
#include "agent/run/certificates.h"
#include "http/authorities.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../config/load.h"

/** Settings that lead to these files, and what they held at first. */
struct world {
    char directory[64], trusted[96], ca[128], webhooks[96], port[96], hosts[96], brokers[96];
    char lines[4][160];
    struct certificates in_force;
};

/** What came of one look. */
struct look {
    struct config config;
    struct client_files files;
    struct certificates certificates;
    struct buffer paths, problems;
    int failed;
};

static void write_certificate(const char *path, bool with_key)
{
    FILE *file = fopen(path, "w");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(file);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    PEM_write_X509(file, certificate);
    if (with_key)
        PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void look(struct world *world, struct look *look)
{
    *look = (struct look){0};
    look->failed = load(&look->config, world->lines[0], world->lines[1], world->lines[2], world->lines[3],
                        &look->problems);
    assert_true(look->failed == 0 || look->failed == PA_ERR_INVALID);
    look->failed = certificates_read(&look->config, &world->in_force, &look->files, &look->certificates,
                                     &look->paths, &look->problems);
}

static void look_away(struct look *look)
{
    client_files_free(&look->files);
    certificates_clear(&look->certificates);
    config_clear(&look->config);
    buffer_clear(&look->paths);
    buffer_clear(&look->problems);
}

static void open_world(struct world *world)
{
    char json[512];
    struct look first;
    memset(world, 0, sizeof *world);
    snprintf(world->directory, sizeof world->directory, "/tmp/certificates-test-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    snprintf(world->trusted, sizeof world->trusted, "%s/trusted", world->directory);
    snprintf(world->ca, sizeof world->ca, "%s/ca.crt", world->trusted);
    snprintf(world->webhooks, sizeof world->webhooks, "%s/webhooks.pem", world->directory);
    snprintf(world->hosts, sizeof world->hosts, "%s/hosts.json", world->directory);
    snprintf(world->port, sizeof world->port, "%s/port.pem", world->directory);
    snprintf(world->brokers, sizeof world->brokers, "%s/brokers.pem", world->directory);
    assert_int_equal(mkdir(world->trusted, 0700), 0);
    write_certificate(world->ca, false);
    write_certificate(world->webhooks, true);
    write_certificate(world->port, true);
    write_certificate(world->brokers, true);
    snprintf(json, sizeof json, "{\"*.corp.example\": {\"cert\": \"%s\"}}", world->webhooks);
    write_text(world->hosts, json);
    snprintf(world->lines[0], sizeof world->lines[0], "SSL_CERT_FILE=%s", world->trusted);
    snprintf(world->lines[1], sizeof world->lines[1], "WEBHOOK_CLIENT_CERT=%s", world->hosts);
    snprintf(world->lines[2], sizeof world->lines[2], "PORT_API_CLIENT_CERT_FILE=%s", world->port);
    snprintf(world->lines[3], sizeof world->lines[3], "KAFKA_CONSUMER_SSL_CERTIFICATE=%s", world->brokers);
    look(world, &first);
    if (first.problems.len > 0)
        fail_msg("%s", buffer_text(&first.problems));
    memcpy(world->in_force.digests, first.certificates.digests, sizeof world->in_force.digests);
    look_away(&first);
}

static void close_world(struct world *world)
{
    char command[128];
    certificates_clear(&world->in_force);
    snprintf(command, sizeof command, "rm -rf %s", world->directory);
    assert_int_equal(system(command), 0);
}

static bool has_path(const struct buffer *paths, const char *path)
{
    return memmem(paths->ptr, paths->len, path, strlen(path) + 1) != NULL;
}

static void what_decides_is_named(void **state)
{
    (void)state;
    struct world world;
    struct look seen;
    open_world(&world);
    look(&world, &seen);
    assert_int_equal(seen.failed, 0);
    assert_true(has_path(&seen.paths, world.trusted));
    assert_true(has_path(&seen.paths, world.ca));
    assert_true(has_path(&seen.paths, AUTHORITIES_DIRECTORY));
    assert_true(has_path(&seen.config.files, world.hosts));
    assert_true(has_path(&seen.config.files, world.webhooks));
    assert_true(has_path(&seen.config.files, world.port));
    assert_true(has_path(&seen.config.files, world.brokers));
    assert_non_null(seen.files.authorities);
    assert_non_null(client_certificates_for(seen.files.webhooks, "a.corp.example", 443));
    assert_non_null(seen.files.port);
    assert_true(certificates_same(&world.in_force, &seen.certificates));
    assert_true(certificates_same_for_brokers(&world.in_force, &seen.certificates));
    look_away(&seen);
    close_world(&world);
}

/** Another certificate in the file: it has changed, for whom, and nothing is wrong. */
static void assert_change_is_seen(const char *path, struct world *world, bool with_key, bool brokers)
{
    struct look seen;
    write_certificate(path, with_key);
    look(world, &seen);
    assert_int_equal(seen.problems.len, 0);
    assert_int_equal(certificates_same(&world->in_force, &seen.certificates), brokers);
    assert_int_equal(certificates_same_for_brokers(&world->in_force, &seen.certificates), !brokers);
    memcpy(world->in_force.digests, seen.certificates.digests, sizeof world->in_force.digests);
    look_away(&seen);
}

static void each_of_them_may_change(void **state)
{
    (void)state;
    struct world world;
    char another[160];
    open_world(&world);
    snprintf(another, sizeof another, "%s/another.crt", world.trusted);
    assert_change_is_seen(world.ca, &world, false, false);
    assert_change_is_seen(another, &world, false, false);
    assert_change_is_seen(world.webhooks, &world, true, false);
    assert_change_is_seen(world.port, &world, true, false);
    assert_change_is_seen(world.brokers, &world, true, true);
    close_world(&world);
}

/** Refused with a text like this, and looked at again: what decides is still named. */
static void assert_refused(struct world *world, const char *path, const char *text)
{
    struct look seen;
    look(world, &seen);
    if (!strstr(buffer_text(&seen.problems), text))
        fail_msg("%s", buffer_text(&seen.problems));
    assert_true(has_path(&seen.paths, path) || has_path(&seen.config.files, path));
    look_away(&seen);
}

static void what_is_bad_is_refused(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    write_text(world.ca, "no certificate\n");
    assert_refused(&world, world.ca, "SSL_CERT_FILE: no file in '");
    write_certificate(world.ca, false);
    write_certificate(world.webhooks, false);
    assert_refused(&world, world.webhooks, "*.corp.example");
    assert_int_equal(unlink(world.webhooks), 0);
    assert_refused(&world, world.webhooks, "cannot be read: No such file");
    write_certificate(world.webhooks, true);
    write_text(world.hosts, "{\"*\": 3}");
    assert_refused(&world, world.hosts, "WEBHOOK_CLIENT_CERT: '*' is not {");
    close_world(&world);
}

static void a_client_certificate_whose_file_is_emptied_is_refused(void **state)
{
    (void)state;
    struct world world;
    open_world(&world);
    write_text(world.port, "\n");
    assert_refused(&world, world.port, "PORT_API_CLIENT_CERT: is empty now; write the certificate");
    close_world(&world);
}

static void a_bad_file_among_authorities_is_refused_unless_it_was_there_before(void **state)
{
    (void)state;
    struct world world;
    struct look seen;
    char bad[160];
    open_world(&world);
    snprintf(bad, sizeof bad, "%s/bad.crt", world.trusted);
    write_text(bad, "no certificate\n");
    assert_refused(&world, bad, "bad.crt' holds no certificate in PEM form; no authority is taken from it\n");
    look(&world, &seen);
    assert_true(certificates_same(&world.in_force, &seen.certificates));
    buffer_append_slice(&world.in_force.warnings, buffer_slice(&seen.certificates.warnings));
    look_away(&seen);
    look(&world, &seen);
    assert_int_equal(seen.failed, 0);
    look_away(&seen);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_decides_is_named),
        cmocka_unit_test(each_of_them_may_change),
        cmocka_unit_test(what_is_bad_is_refused),
        cmocka_unit_test(a_client_certificate_whose_file_is_emptied_is_refused),
        cmocka_unit_test(a_bad_file_among_authorities_is_refused_unless_it_was_there_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
