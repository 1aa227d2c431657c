/* TLS before a plain server on loopback, with a certificate of its own, in a process of its own: so that what
 * fails in this one's OpenSSL fails in no other's. */
#pragma once

struct tls_front {
    int control; /* it ends when this is closed */
    int port;    /* of 127.0.0.1 */
};

/** Starts it, and writes its certificate, which is its own authority, to `ca_path` (PEM). Before any thread
 * exists, and before memory_hook; ends the process when it cannot. */
struct tls_front tls_front_begin(const char *ca_path);
/** From now on it passes on to that port. */
void tls_front_serve(const struct tls_front *front, int behind);
