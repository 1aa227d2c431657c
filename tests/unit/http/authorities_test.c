/* Which certificates end up in the bundle, and what is said about files that hold none. */
#include "base/buffer.h"
#include "http/authorities.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    char root[64], system[96], one[96], two[96], directory[96];
    struct buffer warnings;
};

static X509 *certificate_of(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    EVP_PKEY_free(key);
    return certificate;
}

/** A fresh certificate between `before` and `after`. */
static void write_certificate(const char *path, const char *name, const char *before, const char *after)
{
    FILE *file = fopen(path, "w");
    X509 *certificate = certificate_of(name);
    assert_non_null(file);
    fputs(before, file);
    PEM_write_X509(file, certificate);
    fputs(after, file);
    fclose(file);
    X509_free(certificate);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void open_world(struct world *world)
{
    memset(world, 0, sizeof *world);
    snprintf(world->root, sizeof world->root, "/tmp/authorities-test-XXXXXX");
    assert_non_null(mkdtemp(world->root));
    snprintf(world->system, sizeof world->system, "%s/system.crt", world->root);
    snprintf(world->one, sizeof world->one, "%s/one.pem", world->root);
    snprintf(world->two, sizeof world->two, "%s/two.pem", world->root);
    snprintf(world->directory, sizeof world->directory, "%s/mounted", world->root);
    write_certificate(world->system, "system", "", "");
}

static void close_world(struct world *world)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", world->root);
    assert_int_equal(system(command), 0);
    buffer_clear(&world->warnings);
}

static void warned(void *ctx, const char *sentence)
{
    struct world *world = ctx;
    buffer_appendf(&world->warnings, "%s\n", sentence);
}

static struct authorities_options options_of(struct world *world)
{
    return (struct authorities_options){
        .directory = world->directory, .system_bundle = world->system, .warn = warned, .ctx = world};
}

/** The subjects in the bundle, as a reader of it finds them: "system one ". */
static void assert_holds(const struct authorities *authorities, const char *expected)
{
    struct buffer names = {0};
    FILE *file = fopen(authorities_bundle(authorities), "r");
    X509 *certificate;
    assert_non_null(file);
    while ((certificate = PEM_read_X509(file, NULL, NULL, NULL))) {
        char name[64];
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
        buffer_appendf(&names, "%s ", name);
        X509_free(certificate);
    }
    fclose(file);
    assert_string_equal(buffer_text(&names), expected);
    buffer_clear(&names);
}

static void with_nothing_added_the_systems_own_file_is_used(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    open_world(&world);
    struct authorities_options options = options_of(&world);
    struct authorities *authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_string_equal(authorities_bundle(authorities), world.system);
    assert_int_equal(authorities_added(authorities), 0);
    authorities_free(authorities);
    options.ssl_cert_file = world.system; /* naming the system's own bundle adds nothing */
    authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_string_equal(authorities_bundle(authorities), world.system);
    authorities_free(authorities);
    close_world(&world);
}

static void everything_is_added_to_the_systems(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    char path[200];
    open_world(&world);
    struct authorities_options options = options_of(&world);
    write_certificate(world.one, "one", "\xef\xbb\xbf",
                      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----");
    mkdir(world.two, 0700);
    snprintf(path, sizeof path, "%s/5ed36f99.0", world.two);
    write_certificate(path, "two", "# a hashed name\n", "");
    snprintf(path, sizeof path, "%s/deeper", world.directory);
    mkdir(world.directory, 0700);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/deeper/four.crt", world.directory);
    write_certificate(path, "four", "", "");
    snprintf(path, sizeof path, "%s/three.crt", world.directory);
    write_certificate(path, "three", "", "");
    snprintf(path, sizeof path, "%s/five.pem", world.directory);
    write_certificate(path, "five", "", "");
    snprintf(path, sizeof path, "%s/other.txt", world.directory);
    write_certificate(path, "not a crt", "", "");
    options.ssl_cert_file = world.one;
    options.requests_ca_bundle = world.two;
    struct authorities *authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_holds(authorities, "system one two four five three ");
    assert_int_equal(authorities_added(authorities), 5);
    assert_int_equal(world.warnings.len, 0);
    authorities_free(authorities);
    close_world(&world);
}

static void the_same_certificate_counts_once(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    char version[120], name[200];
    open_world(&world);
    struct authorities_options options = options_of(&world);
    /* As Kubernetes mounts a config map: a link through a folder whose name begins with a dot. */
    mkdir(world.directory, 0700);
    snprintf(version, sizeof version, "%s/..2026", world.directory);
    mkdir(version, 0700);
    snprintf(name, sizeof name, "%s/cert.crt", version);
    write_certificate(name, "mounted", "", "");
    snprintf(name, sizeof name, "%s/cert.crt", world.directory);
    assert_int_equal(symlink("..2026/cert.crt", name), 0);
    options.ssl_cert_file = options.requests_ca_bundle = name;
    struct authorities *authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_holds(authorities, "system mounted ");
    authorities_free(authorities);
    close_world(&world);
}

static void a_setting_that_gives_none_is_an_error_that_names_it(void **state)
{
    (void)state;
    struct world world;
    char missing[96], empty[96], text[96], damaged[96], binary[96], pipe[96];
    open_world(&world);
    struct authorities_options options = options_of(&world);
    snprintf(missing, sizeof missing, "%s/missing", world.root);
    snprintf(empty, sizeof empty, "%s/empty", world.root);
    snprintf(text, sizeof text, "%s/text", world.root);
    snprintf(damaged, sizeof damaged, "%s/damaged", world.root);
    snprintf(binary, sizeof binary, "%s/binary", world.root);
    snprintf(pipe, sizeof pipe, "%s/pipe", world.root);
    mkdir(empty, 0700);
    mkfifo(pipe, 0600);
    write_text(text, "no certificate\n");
    write_certificate(damaged, "good", "", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    FILE *der = fopen(binary, "w");
    X509 *certificate = certificate_of("binary");
    i2d_X509_fp(der, certificate);
    X509_free(certificate);
    fclose(der);
    const char *const cases[][2] = {{missing, "No such file"}, {empty, "no file in"},
                                    {text, "no certificate"},  {damaged, "certificate 2 is damaged"},
                                    {binary, "-inform der"},   {pipe, "not a file"}};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        const char *path = cases[i / 2][0];
        options.ssl_cert_file = i % 2 ? NULL : path;
        options.requests_ca_bundle = i % 2 ? path : NULL;
        assert_null(authorities_new(&options, &err));
        assert_int_equal(err.kind, PA_ERR_INVALID);
        if (strncmp(err.message, i % 2 ? "REQUESTS_CA_BUNDLE: " : "SSL_CERT_FILE: ", i % 2 ? 20 : 15) != 0 ||
            !strstr(err.message, path) || !strstr(err.message, cases[i / 2][1]))
            fail_msg("'%s' does not say '%s'", err.message, cases[i / 2][1]);
    }
    close_world(&world);
}

static void a_bad_file_in_the_folder_takes_no_other_with_it(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    char path[200];
    open_world(&world);
    struct authorities_options options = options_of(&world);
    mkdir(world.directory, 0700);
    snprintf(path, sizeof path, "%s/bad.crt", world.directory);
    write_text(path, "nonsense");
    snprintf(path, sizeof path, "%s/good.crt", world.directory);
    write_certificate(path, "good", "", "");
    snprintf(path, sizeof path, "%s/lost.crt", world.directory);
    assert_int_equal(symlink("nowhere", path), 0);
    struct authorities *authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_holds(authorities, "system good ");
    assert_non_null(strstr(buffer_text(&world.warnings), "bad.crt"));
    assert_non_null(strstr(buffer_text(&world.warnings), "lost.crt"));
    assert_null(strstr(buffer_text(&world.warnings), "good.crt"));
    authorities_free(authorities);
    close_world(&world);
}

static int stored(const struct authorities *authorities)
{
    STACK_OF(X509) *certificates = X509_STORE_get1_all_certs(authorities_store(authorities));
    int count = sk_X509_num(certificates);
    sk_X509_pop_free(certificates, X509_free);
    return count;
}

static void what_stands_before_a_damage_of_the_systems_bundle_counts(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    open_world(&world);
    struct authorities_options options = options_of(&world);
    write_certificate(world.system, "system", "",
                      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    write_certificate(world.one, "one", "", "");
    options.ssl_cert_file = world.one;
    struct authorities *authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_int_equal(stored(authorities), 2);
    assert_non_null(strstr(buffer_text(&world.warnings),
                           "system.crt': certificate 2 is damaged; no more authorities are taken from it"));
    authorities_free(authorities);
    close_world(&world);
}

static void another_bundle_of_the_systems_has_another_digest(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    unsigned char before[PEM_DIGEST_SIZE];
    open_world(&world);
    const struct authorities_options options = options_of(&world);
    for (int i = 0; i < 3; i++) {
        if (i == 2)
            write_certificate(world.system, "system", "", "");
        struct authorities *authorities = authorities_new(&options, &err);
        assert_non_null(authorities);
        assert_int_equal(stored(authorities), 1);
        if (i > 0)
            assert_int_equal(memcmp(before, authorities_digest(authorities), sizeof before) == 0, i == 1);
        memcpy(before, authorities_digest(authorities), sizeof before);
        authorities_free(authorities);
    }
    close_world(&world);
}

static void a_system_without_a_bundle_is_told(void **state)
{
    (void)state;
    struct world world;
    struct error err = {0};
    open_world(&world);
    struct authorities_options options = options_of(&world);
    unlink(world.system);
    struct authorities *authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_string_equal(authorities_bundle(authorities), "");
    assert_null(authorities_store(authorities));
    authorities_free(authorities);
    write_certificate(world.one, "one", "", "");
    options.ssl_cert_file = world.one;
    authorities = authorities_new(&options, &err);
    assert_non_null(authorities);
    assert_holds(authorities, "one ");
    assert_non_null(strstr(buffer_text(&world.warnings), "only the added ones"));
    authorities_free(authorities);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_nothing_added_the_systems_own_file_is_used),
        cmocka_unit_test(everything_is_added_to_the_systems),
        cmocka_unit_test(the_same_certificate_counts_once),
        cmocka_unit_test(a_setting_that_gives_none_is_an_error_that_names_it),
        cmocka_unit_test(a_bad_file_in_the_folder_takes_no_other_with_it),
        cmocka_unit_test(what_stands_before_a_damage_of_the_systems_bundle_counts),
        cmocka_unit_test(another_bundle_of_the_systems_has_another_digest),
        cmocka_unit_test(a_system_without_a_bundle_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
