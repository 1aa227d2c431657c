/* Memory that fails where it is told to: every allocation of the program itself (the linker's --wrap), of
 * libcurl, cJSON, OpenSSL and libuv (their hooks), and of tsearch(3). librdkafka, libjq and the C library's
 * own are not touched. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/** Sets the libraries' hooks. Before any of them is used; once. */
void memory_hook(void);
/** True: with this OpenSSL the record layers of a new TLS connection, and the BIO between them, always get
 * their memory, because it crashes without (docs/workarounds.md). */
bool memory_spares_record_layers(void);
/** This thread is the outside world: its allocations never fail and are not counted. */
void memory_outside(void);
/** From now on this thread's allocations are counted, and the n-th of them (from 1) fails, and with it the
 * `more` after it; 0: none. */
void memory_arm(size_t n, size_t more);
/** Ends that. True: one has failed. */
bool memory_disarm(void);
/** Counted since memory_arm. */
size_t memory_count(void);

/** Keep the stacks of allocations from now on, and print that of the one that fails. */
void memory_trace(void);
/** A point in time: blocks are numbered as they are allocated. */
size_t memory_mark(void);
/** Blocks that there are now, of all threads but those outside. */
size_t memory_blocks(void);
/** Blocks allocated since the mark, by all threads but those outside, that have not been freed. Printed with
 * the stacks they come from, if those are kept. */
size_t memory_left(size_t mark);
