/* The certificate authorities that are trusted: the system's, and whatever the operator adds to them, as one
 * store for HTTP clients, and as one PEM file for librdkafka. Nothing is written to a file system. */
#pragma once
#include "http/pem_file.h"
#include <openssl/types.h>
#include <stddef.h>

/** Where *.crt and *.pem files are mounted or, on Debian, installed. */
#define AUTHORITIES_DIRECTORY "/usr/local/share/ca-certificates"

struct authorities;

struct authorities_options {
    /** SSL_CERT_FILE: PEM file or directory of them. NULL or "": not set. */
    const char *ssl_cert_file;
    /** REQUESTS_CA_BUNDLE: the same. */
    const char *requests_ca_bundle;
    /** *.crt and *.pem files in it and below it are added; it need not exist. NULL: none. */
    const char *directory;
    /** NULL: the first of the distributions' usual places that can be read. */
    const char *system_bundle;
    /** About what is left out; called before the return only. */
    void (*warn)(void *ctx, const char *sentence);
    /** About each file and folder that decides, before it is read; likewise. NULL: nobody wants to know. */
    void (*reads)(void *ctx, const char *path);
    void *ctx;
};

/** Gathers them. A setting whose file cannot be read or holds no certificate is PA_ERR_INVALID with a
 * sentence that names the setting; a bad file in `directory`, or a damaged bundle of the system's, is a
 * warning that names the file. Takes some 25 ms for Debian's bundle, so it has no place on a loop. Other
 * failures: PA_ERR_MEMORY, PA_ERR_IO. NULL with the cause in err. */
PA_MUST_USE struct authorities *authorities_new(const struct authorities_options *options, struct error *err);
/** Path of the PEM file (the system's own where nothing is added to it); "" where the system has none and
 * nothing is added: the libraries' own defaults then count. Valid, and readable by this process alone, until
 * authorities_free. NULL is allowed, and is "". */
const char *authorities_bundle(const struct authorities *authorities);
/** The same, read: whoever keeps it for longer than until authorities_free takes a reference. NULL where the
 * bundle is "". */
PA_MUST_USE X509_STORE *authorities_store(const struct authorities *authorities);
/** Stands for what is in the file. */
const unsigned char *authorities_digest(const struct authorities *authorities);
/** Certificates added to the system's. */
size_t authorities_added(const struct authorities *authorities);
/** NULL is allowed. */
void authorities_free(struct authorities *authorities);
