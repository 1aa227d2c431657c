/* Client certificates as settings: read while they are loaded, told with all other problems, and given up. */
#include "config/config.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "load.h"

/** Certificate and key in one file. */
static void write_both(const char *path)
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
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static char path[64], line[3][128];

static int make(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/certificates-test-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return -1;
    close(fd);
    write_both(path);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    return unlink(path);
}

static void each_pair_is_read_in_each_form(void **state)
{
    (void)state;
    static const char *const forms[] = {"", "_FILE"}; /* of the path, and of what is in it */
    for (size_t i = 0; i < 2; i++) {
        struct config config;
        struct buffer problems = {0};
        snprintf(line[0], sizeof line[0], "WEBHOOK_CLIENT_CERT%s=%s", forms[i], path);
        snprintf(line[1], sizeof line[1], "PORT_API_CLIENT_CERT%s=%s", forms[i], path);
        snprintf(line[2], sizeof line[2], "KAFKA_CONSUMER_SSL_CERTIFICATE%s=%s", forms[i], path);
        if (load(&config, line[0], line[1], line[2], NULL, &problems) != 0)
            fail_msg("%s", buffer_text(&problems));
        assert_non_null(client_certificates_for(config.webhook_certificates, "svc", 443));
        assert_non_null(client_certificates_for(config.port_api_certificates, "api.getport.io", 443));
        assert_int_equal(access(config.kafka_certificate.path, R_OK), 0);
        assert_string_equal(config.webhook_client_cert, "");
        assert_string_equal(buffer_text(&config.warnings), "");
        config_forget_secrets(&config);
        assert_null(config.webhook_certificates);
        assert_null(config.port_api_certificates);
        assert_string_equal(config.kafka_certificate.path, "");
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void what_is_wrong_is_told_with_the_setting(void **state)
{
    (void)state;
    static char *const cases[][3] = {
        {"WEBHOOK_CLIENT_CERT=/no/where", NULL, "WEBHOOK_CLIENT_CERT: '/no/where' cannot be read: No such"},
        {"PORT_API_CLIENT_KEY=/no/where", NULL, "PORT_API_CLIENT_CERT: is not set; the certificate that"},
        {line[0], "KAFKA_CONSUMER_SSL_KEY=/no/where", "KAFKA_CONSUMER_SSL_KEY: '/no/where' cannot be read"},
        {"PORT_API_CLIENT_CERT_FILE=/no/where", "PORT_API_CLIENT_KEY=/x",
         "PORT_API_CLIENT_CERT_FILE: '/no/where' cannot be read"},
    };
    snprintf(line[0], sizeof line[0], "KAFKA_CONSUMER_SSL_CERTIFICATE=%s", path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(load(&config, cases[i][0], cases[i][1], NULL, NULL, &problems), PA_ERR_INVALID);
        if (!strstr(buffer_text(&problems), cases[i][2]))
            fail_msg("%s", problems.ptr);
        assert_ptr_equal(strchr(problems.ptr, '\n'), problems.ptr + problems.len - 1);
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void one_that_brokers_do_not_see_is_warned_of(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    snprintf(line[0], sizeof line[0], "KAFKA_CONSUMER_SSL_CERTIFICATE=%s", path);
    assert_int_equal(
        load(&config, line[0], "KAFKA_CONSUMER_SECURITY_PROTOCOL=plaintext", NULL, NULL, &problems), 0);
    assert_string_equal(buffer_text(&config.warnings), "KAFKA_CONSUMER_SSL_CERTIFICATE: is not used with "
                                                       "KAFKA_CONSUMER_SECURITY_PROTOCOL=plaintext\n");
    config_clear(&config);
    buffer_clear(&problems);
}

static void a_command_that_needs_none_reads_none(void **state)
{
    (void)state;
    static const char *const needs[] = {"MAPPING_TIMEOUT"};
    char *environment[] = {line[0], "PORT_API_CLIENT_KEY=/no/where", NULL};
    const struct config_input input = {.environment = environment, .needs = needs, .needs_count = 1};
    struct config config;
    struct buffer problems = {0};
    snprintf(line[0], sizeof line[0], "WEBHOOK_CLIENT_CERT=%s", path);
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    assert_null(config.webhook_certificates);
    assert_string_equal(config.webhook_client_cert, "");
    config_clear(&config);
    buffer_clear(&problems);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_pair_is_read_in_each_form, make, drop),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told_with_the_setting, make, drop),
        cmocka_unit_test_setup_teardown(one_that_brokers_do_not_see_is_warned_of, make, drop),
        cmocka_unit_test_setup_teardown(a_command_that_needs_none_reads_none, make, drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
