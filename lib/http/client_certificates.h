/* The client certificates of one HTTP client: one for every server, or one for each host that a JSON file
 * names. It decides only by host and port: whether a connection has one at all is its owner's to say. */
#pragma once
#include "http/client_certificate.h"

struct client_certificates;

/** Reads what the settings say. The text of `source->cert` may also be, or its file may hold, a JSON object:
 *
 *     {"api.internal": {"cert": "/etc/tls/api.pem", "key": "/etc/tls/api.key"}, "*.corp.example:8443": {…}}
 *
 * Names are host, host:port, *.domain, *.domain:port or * (all others); the texts are paths, and `key` may be
 * left out where it is in the file of `cert` too. `source` is borrowed during the call, its cert_name for as
 * long as the result. NULL with the cause in err, as client_certificate_read. */
PA_MUST_USE struct client_certificates *client_certificates_new(
    const struct client_certificate_source *source, struct error *err);
/** The path of a PEM file with the certificate and the key for this host, as the most exact of the names
 * says; NULL: none. Valid until client_certificates_free. */
const char *client_certificates_for(const struct client_certificates *certificates, const char *host,
                                    int port);
/** Stands for all of them: the same digest, the same hosts, certificates and keys. NULL (none) has one too.
 */
void client_certificates_digest(const struct client_certificates *certificates,
                                unsigned char out[PEM_DIGEST_SIZE]);
/** NULL is allowed. */
void client_certificates_free(struct client_certificates *certificates);
