/* Certificates that are read again while the agent runs: the authorities it trusts, and those it shows. Only
 * read and compared here, in any thread; nothing is taken over. */
#pragma once
#include "config/config.h"
#include "former.h"

enum certificate_kind {
    CERTIFICATE_AUTHORITIES,
    CERTIFICATE_WEBHOOKS,
    CERTIFICATE_PORT,
    CERTIFICATE_BROKERS
};
enum { CERTIFICATE_KINDS = CERTIFICATE_BROKERS + 1 };

/** Zero-initialise. */
struct certificates {
    /** Of each kind; all zero: there is none. */
    unsigned char digests[CERTIFICATE_KINDS][PEM_DIGEST_SIZE];
    /** Files in folders of authorities that hold none, a line each. */
    struct buffer warnings;
};

/** What stands for those of the settings and these authorities; NULL: it is not known which. */
void certificates_of(const struct config *config, const struct authorities *authorities,
                     struct certificates *out);
/** Takes the client certificates that `config` has read, and reads the authorities that it names: into
 * `files`. `paths`: what decides about authorities, each ended by a NUL, whatever comes of it. Compared with
 * those `in_force`, a file that holds no authority any more, or a certificate that is gone, is a problem. 0;
 * or a kind of error, with a line for each problem in `problems`. */
PA_MUST_USE int certificates_read(struct config *config, const struct certificates *in_force,
                                  struct client_files *files, struct certificates *out, struct buffer *paths,
                                  struct buffer *problems);
/** Are those that the agent can take over the same? */
PA_MUST_USE bool certificates_same(const struct certificates *a, const struct certificates *b);
/** Are the same authorities trusted? */
PA_MUST_USE bool certificates_trust_the_same(const struct certificates *a, const struct certificates *b);
/** And the brokers', which it cannot? */
PA_MUST_USE bool certificates_same_for_brokers(const struct certificates *a, const struct certificates *b);
void certificates_clear(struct certificates *certificates);
