/* How the floor program posts: with libcurl's multi handle (post_curl.c), which is the floor, or over sockets
 * of its own (post_raw.c), which is the limit of what any client can do. The program links one of the two.
 * Requests are numbered from 0 to in_flight - 1; each has one request in flight at most. */
#pragma once
#include "base/slice.h"
#include <stddef.h>
#include <stdint.h>

/** Makes ready for `in_flight` requests, whose sockets the poster watches in `epoll` with data.fd.
 * `ca`: file of the authorities of https endpoints; NULL: libcurl's own. */
void post_open(int epoll, size_t in_flight, const char *ca);

/** Starts request `number`. `body` stays until the answer; the rest is copied. */
void post_start(size_t number, struct slice url, struct slice body, const char *stamp, const char *signature);

/** A socket is ready for `events` (those of epoll). */
void post_ready(int fd, uint32_t events);

/** When the poster wants post_due() to be called (CLOCK_MONOTONIC, nanoseconds); -1: not at all. */
int64_t post_due_at_ns(void);
void post_due(void);

/* The program's own */

/** Called by the poster once request `number` was answered with 200. */
void post_answered(size_t number);

/** Ends the program with a sentence. */
_Noreturn void die(const char *what, const char *why);

int64_t now_ns(int clock);
