/* Texts that end where the memory ends: reading a byte behind one kills the test, in every build. */
#pragma once
#include "base/slice.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/** A copy of the bytes, which nobody frees and nobody may read beyond. */
static inline struct slice edge_bytes(const char *bytes, size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (len / page + 1) * page;
    char *at = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + size, page, PROT_NONE) != 0)
        abort();
    char *copy = at + size - len;
    if (len > 0)
        memcpy(copy, bytes, len);
    return (struct slice){copy, len};
}

/** The text without its NUL; NULL: the null slice. */
static inline struct slice edge_of(const char *text)
{
    return text ? edge_bytes(text, strlen(text)) : (struct slice){NULL, 0};
}
