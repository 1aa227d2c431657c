/* What is kept of certificate and key files, what is said of those that cannot be used, and which host gets
 * which. */
#include "http/client_certificates.h"
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
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
    char root[64], cert[96], key[96], both[96], other[96], sealed[96], old_sealed[96], garbage[96], json[96],
        expired[96], early[96], weak[96];
    char cert_text[4096], key_text[4096];
    struct buffer warnings;
};

static struct world world; /* made once: keys take time */
/** Which allocation of OpenSSL's fails, counted down; 0: none, or it has failed. */
static size_t failing;

static bool fails_now(void)
{
    return failing > 0 && --failing == 0;
}

static void *ssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_now() ? NULL : malloc(size);
}

static void *ssl_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails_now() ? NULL : realloc(block, size);
}

static void ssl_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    free(block);
}

static X509 *certificate_of(const char *name, EVP_PKEY *key, long from_s, long to_s)
{
    X509 *certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

/** NULL for those that are left out. `passphrase`: the key is encrypted with it. */
static void write_pem(const char *path, X509 *first, X509 *second, EVP_PKEY *key, const char *passphrase)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    if (first)
        PEM_write_X509(file, first);
    if (second)
        PEM_write_X509(file, second);
    if (key)
        PEM_write_PrivateKey(file, key, passphrase ? EVP_aes_128_cbc() : NULL,
                             (const unsigned char *)passphrase, passphrase ? (int)strlen(passphrase) : 0,
                             NULL, NULL);
    fclose(file);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void read_text(const char *path, char text[4096])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, 4095, file)] = '\0';
    fclose(file);
}

static void write_old_sealed_key(const char *path, EVP_PKEY *key)
{
    BIO *file = BIO_new_file(path, "w");
    assert_non_null(file);
    PEM_write_bio_PrivateKey_traditional(file, key, EVP_aes_128_cbc(), (const unsigned char *)"hush", 4, NULL,
                                         NULL);
    BIO_free(file);
}

static void name_files(void)
{
    char *const paths[] = {world.cert,   world.key,     world.both,       world.other,
                           world.sealed, world.garbage, world.old_sealed, world.expired,
                           world.early,  world.json,    world.weak};
    static const char *const names[] = {"cert", "key",     "both",  "other", "sealed", "garbage",
                                        "old",  "expired", "early", "json",  "weak"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        snprintf(paths[i], sizeof world.cert, "%s/%s.pem", world.root, names[i]);
}

static int open_world(void **state)
{
    (void)state;
    snprintf(world.root, sizeof world.root, "/tmp/client-certificates-XXXXXX");
    assert_non_null(mkdtemp(world.root));
    name_files();
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    X509 *own = certificate_of("own", key, -60, 3600), *issuer = certificate_of("issuer", other, -60, 3600);
    X509 *expired = certificate_of("expired", key, -3600, -60);
    X509 *early = certificate_of("early", key, 3600, 7200);
    write_pem(world.cert, own, issuer, NULL, NULL);
    write_pem(world.key, NULL, NULL, key, NULL);
    write_pem(world.both, own, NULL, key, NULL);
    write_pem(world.other, NULL, NULL, other, NULL);
    write_pem(world.sealed, NULL, NULL, key, "hush");
    write_old_sealed_key(world.old_sealed, key);
    write_pem(world.expired, expired, NULL, key, NULL);
    write_pem(world.early, early, NULL, key, NULL);
    EVP_PKEY *short_key = EVP_RSA_gen(512);
    X509 *weak = certificate_of("weak", short_key, -60, 3600);
    write_pem(world.weak, weak, NULL, short_key, NULL);
    X509_free(weak);
    EVP_PKEY_free(short_key);
    write_text(world.garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    read_text(world.cert, world.cert_text);
    read_text(world.key, world.key_text);
    X509_free(own);
    X509_free(issuer);
    X509_free(expired);
    X509_free(early);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", world.root);
    buffer_clear(&world.warnings);
    return system(command);
}

static void warned(void *ctx, const char *sentence)
{
    (void)ctx;
    buffer_appendf(&world.warnings, "%s\n", sentence);
}

static struct client_certificate_source source_of(const char *cert, const char *key)
{
    return (struct client_certificate_source){
        .cert_name = "CERT", .key_name = "KEY", .cert = cert, .key = key, .warn = warned};
}

static void assert_holds_both(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    X509 *own = PEM_read_X509(file, NULL, NULL, NULL);
    rewind(file);
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(own);
    assert_non_null(key);
    assert_int_equal(X509_check_private_key(own, key), 1);
    X509_free(own);
    EVP_PKEY_free(key);
}

static void both_are_kept_in_one_file_in_memory_whatever_their_form(void **state)
{
    (void)state;
    const char *const pairs[][2] = {{world.cert, world.key},
                                    {world.both, NULL},
                                    {world.both, ""},
                                    {world.both, world.key},
                                    {world.cert_text, world.key_text},
                                    {world.cert, world.key_text}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct client_certificate_source source = source_of(pairs[i][0], pairs[i][1]);
        struct client_certificate kept;
        struct error err = {0};
        if (client_certificate_read(&source, &kept, &err) != 0)
            fail_msg("%zu: %s", i, err.message);
        assert_holds_both(kept.path);
        client_certificate_clear(&kept);
        assert_string_equal(kept.path, "");
    }
    assert_int_equal(world.warnings.len, 0);
    buffer_clear(&world.warnings);
}

static void those_who_signed_it_stay_behind_it(void **state)
{
    (void)state;
    char kept_text[4096];
    const struct client_certificate_source source = source_of(world.cert, world.key);
    struct client_certificate kept;
    assert_int_equal(client_certificate_read(&source, &kept, NULL), 0);
    read_text(kept.path, kept_text);
    assert_memory_equal(kept_text, world.cert_text, strlen(world.cert_text));
    client_certificate_clear(&kept);
    buffer_clear(&world.warnings);
}

static void what_cannot_be_used_is_told_without_a_secret(void **state)
{
    (void)state;
    char fifo[128], broken_key[4096];
    snprintf(fifo, sizeof fifo, "%s/fifo", world.root);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    snprintf(broken_key, sizeof broken_key, "%s", world.key_text);
    memcpy(strchr(broken_key, '\n') + 1, "AAAAAAAA", 8);
    const struct {
        const char *cert, *key, *begins, *says;
    } cases[] = {
        {"/no/where.pem", NULL, "CERT: '/no/where.pem'", "No such file"},
        {world.root, NULL, "CERT: '/tmp/", "is not a file"},
        {fifo, NULL, "CERT: '/tmp/", "is not a file"},
        {world.key, NULL, "CERT: '/tmp/", "holds no certificate in PEM form"},
        {world.garbage, NULL, "CERT: '/tmp/", "holds a certificate that is damaged"},
        {world.cert, NULL, "KEY: is not set", "CERT has no private key"},
        {world.cert, "/no/where.pem", "KEY: '/no/where.pem'", "No such file"},
        {world.cert, world.cert, "KEY: '/tmp/", "holds no private key in PEM form"},
        {world.cert, world.other, "KEY: '/tmp/", "the key of another certificate"},
        {world.cert, world.sealed, "KEY: '/tmp/", "a key with a passphrase"},
        {world.cert, world.old_sealed, "KEY: '/tmp/", "a key with a passphrase"},
        {world.weak, NULL, "CERT: '/tmp/", "that TLS does not take: ee key too small"},
        {world.cert, broken_key, "KEY: its text", "holds a private key that is damaged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct client_certificate_source source = source_of(cases[i].cert, cases[i].key);
        struct client_certificate kept;
        struct error err = {0};
        assert_int_equal(client_certificate_read(&source, &kept, &err), PA_ERR_INVALID);
        if (strncmp(err.message, cases[i].begins, strlen(cases[i].begins)) != 0 ||
            !strstr(err.message, cases[i].says))
            fail_msg("%zu: %s", i, err.message);
        assert_null(strstr(err.message, "hush"));
        assert_null(strstr(err.message, "PRIVATE KEY"));
        client_certificate_clear(&kept);
    }
    buffer_clear(&world.warnings);
}

/** The files are right: nobody is told to mend them. */
static void that_there_is_no_memory_is_told_as_that(void **state)
{
    (void)state;
    struct client_certificate kept;
    struct error err = {0};
    const struct client_certificate_source source = source_of(world.cert, world.key);
    size_t refused = 0;
    bool failed = true;
    for (size_t n = 1; failed; n += 61) { /* all of them take long */
        failing = n;
        int result = client_certificate_read(&source, &kept, &err);
        failed = failing == 0;
        failing = 0;
        if (result != 0 && result != PA_ERR_MEMORY)
            fail_msg("allocation %zu fails: %s", n, err.message);
        refused += result != 0;
        client_certificate_clear(&kept);
        ERR_clear_error();
    }
    assert_true(refused > 10);
    buffer_clear(&world.warnings);
}

static void one_that_is_not_valid_now_is_taken_with_a_warning(void **state)
{
    (void)state;
    struct client_certificate kept;
    struct client_certificate_source source = source_of(world.expired, NULL);
    assert_int_equal(client_certificate_read(&source, &kept, NULL), 0);
    client_certificate_clear(&kept);
    source.cert = world.early;
    assert_int_equal(client_certificate_read(&source, &kept, NULL), 0);
    client_certificate_clear(&kept);
    assert_non_null(strstr(buffer_text(&world.warnings), "expired.pem' has expired"));
    assert_non_null(strstr(buffer_text(&world.warnings), "early.pem' is not valid yet"));
    buffer_clear(&world.warnings);
}

/* Which host gets which */

/** A list of hosts, all with the same files, as JSON. */
static void hosts_of(const char *const *names, struct buffer *json)
{
    json->len = 0;
    for (size_t i = 0; names[i]; i++)
        buffer_appendf(json, "%s\"%s\": {\"cert\": \"%s\", \"key\": \"%s\"}", i == 0 ? "{" : ", ", names[i],
                       world.cert, world.key);
    buffer_append_char(json, '}');
}

static void the_most_exact_name_counts(void **state)
{
    (void)state;
    static const char *const names[] = {"api.corp",    "api.corp:8443", "*.corp",       "*.eu.corp",
                                        "*.eu.corp:1", "[2001:db8::1]", "10.0.0.1:443", NULL};
    static const struct {
        const char *host;
        int port;
        const char *same_as;
        int same_port;
    } cases[] = {
        {"API.Corp.", 443, "api.corp", 1},        {"x.corp", 443, "y.corp", 9},
        {"a.b.corp", 443, "y.corp", 9},           {"x.eu.corp", 443, "y.eu.corp", 2},
        {"[2001:db8::1]", 1, "[2001:DB8::1]", 2},
    };
    static const struct {
        const char *host;
        int port;
    } none[] = {{"corp", 443}, {"xcorp", 443}, {"api.corp.example", 443}, {"10.0.0.1", 444}, {"", 1}},
      apart[] = {{"api.corp", 443}, {"api.corp", 8443},      {"x.corp", 443},  {"x.eu.corp", 443},
                 {"x.eu.corp", 1},  {"[2001:db8::1]", 8443}, {"10.0.0.1", 443}};
    struct buffer json = {0};
    hosts_of(names, &json);
    const struct client_certificate_source source = source_of(buffer_text(&json), NULL);
    struct error err = {0};
    struct client_certificates *certificates = client_certificates_new(&source, &err);
    if (!certificates)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = client_certificates_for(certificates, cases[i].host, cases[i].port);
        assert_non_null(path);
        assert_ptr_equal(path, client_certificates_for(certificates, cases[i].same_as, cases[i].same_port));
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(client_certificates_for(certificates, none[i].host, none[i].port));
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++)
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(client_certificates_for(certificates, apart[i].host, apart[i].port),
                                 client_certificates_for(certificates, apart[j].host, apart[j].port));
    client_certificates_free(certificates);
    buffer_clear(&json);
    buffer_clear(&world.warnings);
}

/** However the name or the address is written in the file, and in the URL. */
static void a_host_may_be_written_in_several_ways(void **state)
{
    (void)state;
    static const char *const names[] = {"svc.corp.",       "*.eu.corp.", "[2001:db8:0:0::1]",
                                        "[FD00::0:1]:443", "127.1",      NULL};
    static const struct {
        const char *host;
        int port;
    } cases[] = {{"svc.corp", 1},    {"svc.corp.", 1}, {"a.eu.corp", 1}, {"[2001:db8::1]", 1},
                 {"[fd00::1]", 443}, {"127.0.0.1", 1}, {"0x7f.1", 1}};
    struct buffer json = {0};
    hosts_of(names, &json);
    const struct client_certificate_source source = source_of(buffer_text(&json), NULL);
    struct error err = {0};
    struct client_certificates *certificates = client_certificates_new(&source, &err);
    if (!certificates)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!client_certificates_for(certificates, cases[i].host, cases[i].port))
            fail_msg("none for %s", cases[i].host);
    assert_null(client_certificates_for(certificates, "[2001:db8::2]", 1));
    assert_null(client_certificates_for(certificates, "[fd00::1]", 444));
    client_certificates_free(certificates);
    buffer_clear(&json);
    buffer_clear(&world.warnings);
}

static void one_certificate_is_for_all_and_so_is_a_star(void **state)
{
    (void)state;
    static const char *const names[] = {"*", "api.corp", NULL};
    struct buffer json = {0};
    hosts_of(names, &json);
    write_text(world.json, buffer_text(&json));
    const char *const values[] = {world.both, buffer_text(&json), world.json};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const struct client_certificate_source source = source_of(values[i], NULL);
        struct client_certificates *certificates = client_certificates_new(&source, NULL);
        assert_non_null(certificates);
        const char *any = client_certificates_for(certificates, "anywhere.example", 1);
        assert_non_null(any);
        assert_int_equal(any == client_certificates_for(certificates, "api.corp", 443), i == 0);
        client_certificates_free(certificates);
    }
    buffer_clear(&json);
    buffer_clear(&world.warnings);
}

static void json_that_is_wrong_is_told_by_host(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{", "CERT: its text begins like JSON and is not JSON, at byte 1"},
        {"{\"a\": }", "CERT: its text begins like JSON and is not JSON, at byte 7"},
        {" {} {}", "CERT: its text begins like JSON and has something behind the end of its JSON, at byte 5"},
        {"{}", "CERT: names 0 hosts; it may name from 1 to 128"},
        {"{\"a\": 1}", "CERT: 'a' is not {\"cert\""},
        {"{\"a\": {}}", "CERT: 'a' is not {\"cert\""},
        {"{\"a\": {\"cert\": \"\"}}", "CERT: 'a' is not {\"cert\""},
        {"{\"a\": {\"cert\": \"/no/where\", \"kee\": \"/x\"}}", "CERT: 'a' is not {\"cert\""},
        {"{\"a\": {\"cert\": \"/no/where\", \"cert\": \"/x\"}}", "CERT: 'a' is not {\"cert\""},
        {"{\"a\": {\"cert\": \"/no/where\"}}", "CERT: a: '/no/where' cannot be read: No such file"},
        {"{\"https://a\": {\"cert\": \"/x\"}}", "CERT: 'https://a' names no host"},
        {"{\"a:0\": {\"cert\": \"/x\"}}", "CERT: 'a:0' names no host"},
        {"{\"a:65536\": {\"cert\": \"/x\"}}", "CERT: 'a:65536' names no host"},
        {"{\"\": {\"cert\": \"/x\"}}", "CERT: '' names no host"},
        {"{\"*a\": {\"cert\": \"/x\"}}", "CERT: '*a' names no host"},
        {"{\"a.*\": {\"cert\": \"/x\"}}", "CERT: 'a.*' names no host"},
        {"{\"b\\u00fccher\": {\"cert\": \"/x\"}}", "names no host; write"},
    };
    struct error err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct client_certificate_source source = source_of(cases[i][0], NULL);
        assert_null(client_certificates_new(&source, &err));
        if (err.kind != PA_ERR_INVALID || !strstr(err.message, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], err.message);
    }
    static const char *const twice[][3] = {{"[::1]", "[0::1]"}, {"*.a:1", "*.A.:1"}, {"a", "A."}, {"a", "A"}};
    struct buffer json = {0};
    struct client_certificate_source source = {0};
    for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
        char expected[64];
        json.len = 0;
        hosts_of(twice[i], &json);
        source = source_of(buffer_text(&json), NULL);
        assert_null(client_certificates_new(&source, &err));
        snprintf(expected, sizeof expected, "CERT: '%s' is there twice", twice[i][1]);
        assert_string_equal(err.message, expected);
    }
    hosts_of((const char *const[]){"a", NULL, NULL}, &json);
    buffer_append_text(&json, "\n}");
    write_text(world.json, buffer_text(&json));
    source.cert = world.json;
    assert_null(client_certificates_new(&source, &err));
    char at[320];
    snprintf(at, sizeof at,
             "CERT: '%s' begins like JSON and has something behind the end of its JSON, at byte %zu",
             world.json, json.len);
    assert_string_equal(err.message, at);
    source = source_of("{\"a\": {\"cert\": \"/x\"}}", world.key);
    assert_null(client_certificates_new(&source, &err));
    assert_string_equal(err.message, "KEY: is set, and CERT names a key for each host; leave this one out");
    buffer_clear(&json);
    buffer_clear(&world.warnings);
}

int main(void)
{
    if (!CRYPTO_set_mem_functions(ssl_malloc, ssl_realloc, ssl_free))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_are_kept_in_one_file_in_memory_whatever_their_form),
        cmocka_unit_test(those_who_signed_it_stay_behind_it),
        cmocka_unit_test(what_cannot_be_used_is_told_without_a_secret),
        cmocka_unit_test(that_there_is_no_memory_is_told_as_that),
        cmocka_unit_test(one_that_is_not_valid_now_is_taken_with_a_warning),
        cmocka_unit_test(the_most_exact_name_counts),
        cmocka_unit_test(a_host_may_be_written_in_several_ways),
        cmocka_unit_test(one_certificate_is_for_all_and_so_is_a_star),
        cmocka_unit_test(json_that_is_wrong_is_told_by_host),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
