#include "memory.h"
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <execinfo.h>
#include <librdkafka/rdkafka.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);
void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));

void __real_rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list);
void __wrap_rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list);

enum { TABLE = 1 << 16, FRAMES = 32 };
/* From OpenSSL 3.2 on a connection's record layers are made without a look whether there was memory. */
static const unsigned long RECORD_LAYERS_UNCHECKED = 0x30200000UL;

static _Thread_local bool outside, armed, failed;
static _Thread_local size_t counted, fail_from, fail_to;
static bool traced;

void memory_outside(void)
{
    outside = true;
}

void memory_arm(size_t n, size_t more)
{
    counted = 0;
    failed = false;
    fail_from = n;
    fail_to = n > 0 ? n + more : 0;
    armed = true;
}

bool memory_disarm(void)
{
    armed = false;
    return failed;
}

size_t memory_count(void)
{
    return counted;
}

/* The blocks there are: a hash table with open addressing. */

struct block {
    void *ptr; /* NULL: free; &gone: free, but what was put behind it is not */
    size_t number;
    int frame_count;
    void *frames[FRAMES];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of the table */
static struct block table[TABLE];
static size_t last_number, blocks;
static char gone;

static size_t place_of(const void *ptr)
{
    return (size_t)(((uintptr_t)ptr >> 4) * 0x9e3779b97f4a7c15u >> 48) % TABLE;
}

static void remember(void *ptr)
{
    pthread_mutex_lock(&mutex);
    size_t at = place_of(ptr), steps = 0;
    while (table[at].ptr && table[at].ptr != &gone) {
        at = (at + 1) % TABLE;
        if (++steps == TABLE)
            abort();
    }
    table[at].ptr = ptr;
    table[at].number = ++last_number;
    blocks++;
    table[at].frame_count = traced ? backtrace(table[at].frames, FRAMES) : 0;
    pthread_mutex_unlock(&mutex);
}

/** Blocks that are not known were allocated outside, or before the hooks. */
static void forget(const void *ptr)
{
    pthread_mutex_lock(&mutex);
    size_t at = place_of(ptr), steps = 0;
    while (table[at].ptr && table[at].ptr != ptr && steps++ < TABLE)
        at = (at + 1) % TABLE;
    if (table[at].ptr == ptr) {
        table[at].ptr = table[(at + 1) % TABLE].ptr ? &gone : NULL;
        blocks--;
    }
    pthread_mutex_unlock(&mutex);
}

void memory_trace(void)
{
    void *frames[FRAMES];
    backtrace(frames, FRAMES); /* the first one loads a library */
    traced = true;
}

size_t memory_mark(void)
{
    pthread_mutex_lock(&mutex);
    size_t mark = last_number;
    pthread_mutex_unlock(&mutex);
    return mark;
}

size_t memory_blocks(void)
{
    pthread_mutex_lock(&mutex);
    size_t count = blocks;
    pthread_mutex_unlock(&mutex);
    return count;
}

size_t memory_left(size_t mark)
{
    size_t left = 0;
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < TABLE; i++) {
        const struct block *block = &table[i];
        if (!block->ptr || block->ptr == &gone || block->number <= mark)
            continue;
        left++;
        if (block->frame_count > 0) {
            fprintf(stderr, "not freed:\n");
            backtrace_symbols_fd(block->frames, block->frame_count, STDERR_FILENO);
        }
    }
    pthread_mutex_unlock(&mutex);
    return left;
}

/* Failing */

static bool refuse(void)
{
    if (!armed)
        return false;
    counted++;
    bool refused = counted >= fail_from && counted <= fail_to;
    if (refused && traced && !failed) {
        void *frames[FRAMES];
        fprintf(stderr, "this allocation fails:\n");
        backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    }
    failed |= refused;
    return refused;
}

static void *count_in(void *block)
{
    if (block && !outside)
        remember(block);
    return block;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : count_in(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : count_in(__real_calloc(count, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (refuse())
        return NULL;
    if (block)
        forget(block);
    return count_in(__real_realloc(block, size));
}

void __wrap_free(void *block)
{
    if (block)
        forget(block);
    __real_free(block);
}

char *__wrap_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = __wrap_malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

/* Its nodes are the C library's own. */
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
    return refuse() ? NULL : __real_tsearch(key, root, compare);
}

/* librdkafka frees what a commit's metadata was allocated with here. */
void __wrap_rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].metadata)
            forget(list->elems[i].metadata);
    __real_rd_kafka_topic_partition_list_destroy(list);
}

bool memory_spares_record_layers(void)
{
    return OpenSSL_version_num() >= RECORD_LAYERS_UNCHECKED;
}

/** The record layers of a new TLS connection, and the BIO between them: OpenSSL tells which source file asks.
 */
static bool is_spared(const char *file)
{
    static const char *const folders[] = {"ssl/record/methods/", "crypto/bio/", "crypto/buffer/"};
    for (size_t i = 0; memory_spares_record_layers() && i < sizeof folders / sizeof *folders; i++)
        if (file && strstr(file, folders[i]))
            return true;
    return false;
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)line;
    return is_spared(file) ? count_in(__real_malloc(size)) : __wrap_malloc(size);
}

static void *openssl_realloc(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return __wrap_realloc(block, size);
}

static void openssl_free(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    __wrap_free(block);
}

void memory_hook(void)
{
    cJSON_Hooks json = {__wrap_malloc, __wrap_free};
    bool hooked = CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1 &&
                  uv_replace_allocator(__wrap_malloc, __wrap_realloc, __wrap_calloc, __wrap_free) == 0 &&
                  curl_global_init_mem(CURL_GLOBAL_DEFAULT, __wrap_malloc, __wrap_free, __wrap_realloc,
                                       __wrap_strdup, __wrap_calloc) == CURLE_OK;
    cJSON_InitHooks(&json);
    if (!hooked) {
        fprintf(stderr, "a library does not take its allocator\n");
        abort();
    }
}
