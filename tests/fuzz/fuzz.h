/* What the fuzz targets share. Each file *_fuzz.c is one libFuzzer program (docs/testing.md says how to run
 * them); an expectation that does not hold ends the process, as a sanitizer's finding does. */
#pragma once
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/** libFuzzer's: the target's own, below, within the time that one input may take. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int fuzz_one_input(const uint8_t *data, size_t size);

#define EXPECT(condition_)                                                            \
    do {                                                                              \
        if (!(condition_)) {                                                          \
            fprintf(stderr, "%s:%d: expected %s\n", __FILE__, __LINE__, #condition_); \
            abort();                                                                  \
        }                                                                             \
    } while (0)

/** Processor time of this process, which other load does not change. */
static inline int64_t fuzz_cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A thousand times what most inputs take, with the sanitizers; where jq compiles its own definitions for each
 * expression, ten times. An input is 4 KiB, or as long as the longest seed. */
enum { FUZZ_CPU_MS = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t before = fuzz_cpu_ms();
    int result = fuzz_one_input(data, size);
    EXPECT(fuzz_cpu_ms() - before <= FUZZ_CPU_MS);
    return result;
}
/* Each target defines it. */
#define LLVMFuzzerTestOneInput fuzz_one_input

/** The input. It ends where its allocation ends, so that a read beyond it is found; no NUL follows. */
static inline struct slice fuzz_input(const uint8_t *data, size_t size)
{
    return (struct slice){size > 0 ? (const char *)data : "", size};
}

/** Cuts the first byte off; 0 when there is none. */
static inline unsigned fuzz_byte(struct slice *in)
{
    if (in->len == 0)
        return 0;
    unsigned byte = (unsigned char)*in->ptr;
    *in = (struct slice){in->ptr + 1, in->len - 1};
    return byte;
}

/** Cuts off what comes before the first `end`, and `end`; all there is when there is none. */
static inline struct slice fuzz_until(struct slice *in, char end)
{
    const char *found = in->len > 0 ? memchr(in->ptr, end, in->len) : NULL;
    struct slice out = {in->ptr, found ? (size_t)(found - in->ptr) : in->len};
    size_t used = out.len + (found ? 1 : 0);
    *in = (struct slice){in->ptr + used, in->len - used};
    return out;
}
