/* Bytes in, what an HTTP/1.1 response says out (RFC 9112), a piece at a time. Strict where the end of a
 * message is at stake, tolerant where servers are odd. Pure: it knows no connection, and undoes no content
 * coding. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>
#include <stdint.h>

/** Bytes of heads, chunk extensions and trailers that are read, interim answers included. */
enum { RESPONSE_HEAD_MAX = 64 * 1024 };

enum response_event {
    /** All bytes are used. */
    RESPONSE_MORE,
    /** The final head has come; once. */
    RESPONSE_HEAD,
    /** Bytes of the body. */
    RESPONSE_BODY,
    /** The response is whole; what is left of the bytes does not belong to it. */
    RESPONSE_END,
    /** It breaks the rules, as `why` says. */
    RESPONSE_BROKEN
};

/** Zero-initialise; release `head` and `own.line`, two buffers. */
struct response {
    /** The final head's lines without the first, each "Name: value" and CR LF. A CR within a value: there its
     * next line began. */
    struct buffer head;
    /** There are such. */
    bool folded;
    /** 0: no final head has come. */
    int status;
    /** 10 or 11. */
    int version;
    /** Of the body as it is sent; -1: not said. */
    int64_t length;
    /** The connection may be used again. */
    bool keeps_alive;
    /** The body's transfer has a coding that was not asked for, so its bytes mean nothing. */
    bool strange_coding;
    /** The body ends where the connection does. */
    bool until_close;
    /** RESPONSE_BROKEN, in words. */
    const char *why;
    /** Bytes of lines that came whole, and of bodies. */
    uint64_t progress;

    /** For response.c alone. */
    struct {
        int step;
        int status;
        /** To HEAD. */
        bool bodiless;
        /** The line that has begun. */
        struct buffer line;
        size_t counted;
        /** Bytes of the body, or of the present chunk, that are to come. */
        uint64_t left;
        unsigned digits;
    } own;
};

/** Before the first byte; the buffers stay. `to_head`: the request was HEAD. */
void response_begin(struct response *response, bool to_head);
/** Reads what it can of `in`, which is moved on past what was used; RESPONSE_BODY: `body` is the beginning of
 * `in` and is not used until response_take. */
PA_MUST_USE enum response_event response_read(struct response *response, struct slice *in,
                                              struct slice *body);
/** The final head has come, and a body in chunks follows. */
PA_MUST_USE bool response_in_chunks(const struct response *response);
/** Uses that body. */
void response_take(struct response *response, struct slice *in, size_t len);
/** The connection has ended. True: and with it the response, which is whole. */
PA_MUST_USE bool response_ends_here(const struct response *response);
/** The final head's value number `index` of this name, without blanks around it; null: none. */
struct slice response_header(const struct response *response, const char *name, size_t index);
/** The same among lines like those of `head`. */
struct slice header_among(struct slice lines, const char *name, size_t index);
/** Makes a blank of each CR within a value (RFC 9112, section 5.2). */
void response_unfold(struct response *response);
/** Takes the first line off `lines`, which has lines like `head`. False: there is none. */
PA_MUST_USE bool response_next_line(struct slice *lines, struct slice *line);
