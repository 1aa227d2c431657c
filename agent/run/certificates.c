/* See certificates.h. */
#include "certificates.h"
#include "http/authorities.h"
#include <string.h>

struct hearing {
    struct buffer *paths, *warnings;
};

static void authority_file(void *ctx, const char *path)
{
    const struct hearing *hearing = ctx;
    buffer_append(hearing->paths, path, strlen(path) + 1);
}

static void no_authority(void *ctx, const char *sentence)
{
    const struct hearing *hearing = ctx;
    buffer_append_one_line(hearing->warnings, slice_of(sentence));
    buffer_append_char(hearing->warnings, '\n');
}

void certificates_of(const struct config *config, const struct authorities *authorities,
                     struct certificates *out)
{
    if (authorities)
        memcpy(out->digests[CERTIFICATE_AUTHORITIES], authorities_digest(authorities), PEM_DIGEST_SIZE);
    client_certificates_digest(config->webhook_certificates, out->digests[CERTIFICATE_WEBHOOKS]);
    client_certificates_digest(config->port_api_certificates, out->digests[CERTIFICATE_PORT]);
    memcpy(out->digests[CERTIFICATE_BROKERS], config->kafka_certificate.digest, PEM_DIGEST_SIZE);
}

/** A client certificate that was there: an empty file is none that somebody chose. Where a problem is known,
 * that is why there is none. */
static void say_what_is_gone(const struct certificates *in_force, const struct certificates *fresh,
                             struct buffer *problems)
{
    static const unsigned char none[PEM_DIGEST_SIZE];
    static const char *const names[CERTIFICATE_KINDS] = {
        [CERTIFICATE_WEBHOOKS] = "WEBHOOK_CLIENT_CERT", [CERTIFICATE_PORT] = "PORT_API_CLIENT_CERT"};
    for (size_t i = 0; problems->len == 0 && i < CERTIFICATE_KINDS; i++)
        if (names[i] && memcmp(fresh->digests[i], none, sizeof none) == 0 &&
            memcmp(in_force->digests[i], none, sizeof none) != 0)
            buffer_appendf(problems, "%s: is empty now; write the certificate into the file\n", names[i]);
}

int certificates_read(struct config *config, const struct certificates *in_force, struct client_files *files,
                      struct certificates *out, struct buffer *paths, struct buffer *problems)
{
    struct hearing hearing = {paths, &out->warnings};
    struct error err = {0};
    const struct authorities_options options = {.ssl_cert_file = config->ssl_cert_file,
                                                .requests_ca_bundle = config->requests_ca_bundle,
                                                .directory = AUTHORITIES_DIRECTORY,
                                                .warn = no_authority,
                                                .reads = authority_file,
                                                .ctx = &hearing};
    files->authorities = authorities_new(&options, &err);
    certificates_of(config, files->authorities, out);
    if (!files->authorities) {
        buffer_append_one_line(problems, slice_of(err.message));
        buffer_append_char(problems, '\n');
        return err.kind;
    }
    files->webhooks = config->webhook_certificates;
    files->port = config->port_api_certificates;
    config->webhook_certificates = config->port_api_certificates = NULL;
    say_what_is_gone(in_force, out, problems);
    /* What was bad before is not new; and what is new may be what had been good. */
    if (!slice_equal(buffer_slice(&out->warnings), buffer_slice(&in_force->warnings)))
        buffer_append_slice(problems, buffer_slice(&out->warnings));
    return problems->len > 0 ? PA_ERR_INVALID : 0;
}

bool certificates_same(const struct certificates *a, const struct certificates *b)
{
    return memcmp(a->digests, b->digests, sizeof a->digests[0] * CERTIFICATE_BROKERS) == 0;
}

bool certificates_trust_the_same(const struct certificates *a, const struct certificates *b)
{
    return memcmp(a->digests[CERTIFICATE_AUTHORITIES], b->digests[CERTIFICATE_AUTHORITIES],
                  PEM_DIGEST_SIZE) == 0;
}

bool certificates_same_for_brokers(const struct certificates *a, const struct certificates *b)
{
    return memcmp(a->digests[CERTIFICATE_BROKERS], b->digests[CERTIFICATE_BROKERS], PEM_DIGEST_SIZE) == 0;
}

void certificates_clear(struct certificates *certificates)
{
    buffer_clear(&certificates->warnings);
}
