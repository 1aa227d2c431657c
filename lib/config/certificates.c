/* Client certificates: three pairs of settings, each read, checked and kept in memory while the settings are
 * loaded, so that what is wrong with one is told with all other problems. */
#include "config/loading.h"
#include <string.h>

enum { WEBHOOKS, PORT_API, BROKERS, PAIRS };

static const struct {
    const char *cert, *key;
} NAMES[PAIRS] = {[WEBHOOKS] = {"WEBHOOK_CLIENT_CERT", "WEBHOOK_CLIENT_KEY"},
                  [PORT_API] = {"PORT_API_CLIENT_CERT", "PORT_API_CLIENT_KEY"},
                  [BROKERS] = {"KAFKA_CONSUMER_SSL_CERTIFICATE", "KAFKA_CONSUMER_SSL_KEY"}};

static void odd_certificate(void *ctx, const char *sentence)
{
    struct loading *loading = ctx;
    buffer_append_one_line(&loading->config->warnings, slice_of(sentence));
    buffer_append_char(&loading->config->warnings, '\n');
}

static void certificate_file(void *ctx, const char *path)
{
    struct loading *loading = ctx;
    buffer_append(&loading->config->files, path, strlen(path) + 1);
    loading->problems->failed |= loading->config->files.failed;
}

/** Files that a command does not need are not even opened. */
static bool is_needed(const struct config_input *input, const char *name)
{
    for (size_t i = 0; i < input->needs_count; i++)
        if (strcmp(input->needs[i], name) == 0)
            return true;
    return !input->needs;
}

static void certificate_problem(struct loading *loading, const char *setting, const struct error *err)
{
    struct buffer sentence = {0};
    loading->problems->failed |= err->kind == PA_ERR_MEMORY;
    buffer_append_one_line(&sentence, slice_of(err->message));
    setting_problems_add(loading->problems, setting, false, &sentence);
}

static void read_pair(struct loading *loading, int pair, const char *cert, const char *key)
{
    struct config *config = loading->config;
    const struct client_certificate_source source = {.cert_name = NAMES[pair].cert,
                                                     .key_name = NAMES[pair].key,
                                                     .cert = cert,
                                                     .key = key,
                                                     .warn = odd_certificate,
                                                     .reads = certificate_file,
                                                     .ctx = loading};
    struct error err = {0};
    if (pair == WEBHOOKS)
        config->webhook_certificates = client_certificates_new(&source, &err);
    else if (pair == PORT_API)
        config->port_api_certificates = client_certificates_new(&source, &err);
    else
        PA_IGNORE(client_certificate_read(&source, &config->kafka_certificate, &err)); /* err tells */
    if (err.kind)
        certificate_problem(loading, source.cert_name, &err);
}

void loading_settle_certificates(struct loading *loading)
{
    struct config *config = loading->config;
    char *const texts[PAIRS][2] = {
        [WEBHOOKS] = {config->webhook_client_cert, config->webhook_client_key},
        [PORT_API] = {config->port_api_client_cert, config->port_api_client_key},
        [BROKERS] = {config->kafka_ssl_certificate, config->kafka_ssl_key},
    };
    for (int pair = 0; pair < PAIRS; pair++) {
        char *cert = texts[pair][0], *key = texts[pair][1];
        bool needed = is_needed(loading->input, NAMES[pair].cert);
        if (*cert && needed)
            read_pair(loading, pair, cert, key);
        else if (*key && needed && !setting_problems_name(loading->problems, NAMES[pair].cert))
            loading_missing(loading, NAMES[pair].cert,
                            "the certificate that belongs to the key is wanted too");
        explicit_bzero(cert, strlen(cert));
        explicit_bzero(key, strlen(key));
    }
    if (*config->kafka_certificate.path && !strstr(config->security_protocol, "ssl"))
        buffer_appendf(&config->warnings, "%s: is not used with KAFKA_CONSUMER_SECURITY_PROTOCOL=%s\n",
                       NAMES[BROKERS].cert, config->security_protocol);
}

void loading_drop_certificates(struct config *config)
{
    client_certificates_free(config->webhook_certificates);
    client_certificates_free(config->port_api_certificates);
    client_certificate_clear(&config->kafka_certificate);
    config->webhook_certificates = config->port_api_certificates = NULL;
}
