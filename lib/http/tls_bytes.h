/* The bytes of a TLS connection that libcurl has made, without libcurl: its own calls for them look the
 * connection up, and read each record in two pieces. Names, certificates, the handshake and the end of the
 * connection stay libcurl's. */
#pragma once
#include "base/must_use.h"
#include "base/slice.h"
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <stdbool.h>

enum moved {
    MOVED,
    /** Not now. */
    MOVED_NOTHING,
    /** The other side has ended the connection as it is to. */
    MOVED_END,
    /** TLS: it has ended it without a word, or somebody else has. */
    MOVED_CUT,
    /** The connection is lost. */
    MOVED_LOST
};

/** How sockets are read from and written to; NULL: out of memory. Freed with BIO_meth_free, after all
 * connections. */
PA_MUST_USE BIO_METHOD *tls_sockets(void);
/** The TLS of a connection of this handle, whose socket is `fd` and nothing between the two, with which
 * libcurl must have to do no more than to close it. NULL: it stays with libcurl, for now at least. */
PA_MUST_USE SSL *tls_take(const BIO_METHOD *sockets, CURL *easy, curl_socket_t fd);
/** MOVED, MOVED_NOTHING (the same bytes are to come again) or MOVED_LOST, with its words in `error`, of
 * CURL_ERROR_SIZE. */
PA_MUST_USE enum moved tls_send(SSL *tls, struct slice bytes, size_t *sent, char *error);
PA_MUST_USE enum moved tls_receive(SSL *tls, char *bytes, size_t room, size_t *got, char *error);
/** Nothing has come that is not TLS's own, nor begun to come, nor has the connection ended. */
PA_MUST_USE bool tls_is_silent(SSL *tls, curl_socket_t fd, char *error);
