/* See tls_bytes.h.
 *
 * libcurl (7.88 and 8.14 alike) gives OpenSSL a BIO that works within libcurl's own calls alone, since it
 * needs to know for which transfer it is called. So the connection gets another, for the socket itself;
 * OpenSSL frees libcurl's, of which libcurl keeps nothing. That is done between two responses, when OpenSSL
 * holds no bytes of the connection; libcurl's filters below TLS never do. What libcurl does with the
 * connection when it closes it works with either, and so do new keys. Tickets that come later are dropped:
 * libcurl would look for its transfer to store them, so it is not told which connection they are of. Those
 * that mean something come before the first response. */
#include "http/tls_bytes.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

/* The socket */

static int socket_of(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static bool is_for_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int read_socket(BIO *bio, char *bytes, int room)
{
    ssize_t got = recv(socket_of(bio), bytes, (size_t)room, MSG_DONTWAIT);
    BIO_clear_retry_flags(bio);
    if (got == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    if (got < 0 && is_for_later())
        BIO_set_retry_read(bio);
    return (int)got;
}

static int write_socket(BIO *bio, const char *bytes, int len)
{
    ssize_t sent = send(socket_of(bio), bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (sent < 0 && is_for_later())
        BIO_set_retry_write(bio);
    return (int)sent;
}

/** It is not told that the end has been reached: OpenSSL's configuration may say that such an end is as good
 * as a word. */
static long control_socket(BIO *bio, int what, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_sockets(void)
{
    BIO_METHOD *sockets = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (!sockets || !BIO_meth_set_read(sockets, read_socket) || !BIO_meth_set_write(sockets, write_socket) ||
        !BIO_meth_set_ctrl(sockets, control_socket)) {
        BIO_meth_free(sockets);
        return NULL;
    }
    return sockets;
}

SSL *tls_take(const BIO_METHOD *sockets, CURL *easy, curl_socket_t fd)
{
    struct curl_tlssessioninfo *session = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || !session ||
        session->backend != CURLSSLBACKEND_OPENSSL || !session->internals)
        return NULL;
    SSL *tls = session->internals;
    if (!SSL_is_init_finished(tls) || SSL_get_shutdown(tls) != 0 || SSL_has_pending(tls))
        return NULL;
    BIO *bio = BIO_new(sockets);
    if (!bio)
        return NULL;
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls, bio, bio);
    SSL_set_app_data(tls, NULL);
    SSL_set_read_ahead(tls, 1); /* a record, and what comes with it, in one piece */
    return tls;
}

/* What comes and goes */

/** OpenSSL needs its queue of errors to be empty. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

/** In libcurl's words, among which alert.c looks for OpenSSL's. */
static enum moved lost_with_words(const char *call, int problem, char *error)
{
    char words[160] = "";
    unsigned long code = ERR_get_error();
    int number = errno;
    if (code != 0)
        ERR_error_string_n(code, words, sizeof words);
    else
        snprintf(words, sizeof words, "%s %d", "problem", problem);
    snprintf(error, CURL_ERROR_SIZE, "OpenSSL %s: %s, errno %d", call, words, number);
    return MOVED_LOST;
}

enum moved tls_send(SSL *tls, struct slice bytes, size_t *sent, char *error)
{
    forget_errors();
    if (SSL_write_ex(tls, bytes.ptr, bytes.len, sent) == 1)
        return MOVED;
    int problem = SSL_get_error(tls, 0);
    *sent = 0;
    if (problem == SSL_ERROR_WANT_READ || problem == SSL_ERROR_WANT_WRITE)
        return MOVED_NOTHING;
    return lost_with_words("SSL_write", problem, error);
}

enum moved tls_receive(SSL *tls, char *bytes, size_t room, size_t *got, char *error)
{
    forget_errors();
    if (SSL_read_ex(tls, bytes, room, got) == 1)
        return MOVED;
    int problem = SSL_get_error(tls, 0);
    *got = 0;
    if (problem == SSL_ERROR_WANT_READ || problem == SSL_ERROR_WANT_WRITE)
        return MOVED_NOTHING;
    if (problem == SSL_ERROR_ZERO_RETURN)
        return MOVED_END;
    if (BIO_test_flags(SSL_get_rbio(tls), BIO_FLAGS_IN_EOF))
        return MOVED_CUT;
    return lost_with_words("SSL_read", problem, error);
}

bool tls_is_silent(SSL *tls, curl_socket_t fd, char *error)
{
    char byte;
    size_t got = 0;
    if (!SSL_has_pending(tls) && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && is_for_later())
        return true;
    return tls_receive(tls, &byte, 1, &got, error) == MOVED_NOTHING && !SSL_has_pending(tls);
}
