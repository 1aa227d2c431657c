#include "http/tls_memory.h"
#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSL 3.5's record layer has 4424 bytes (on x86-64), the BIO between the two far less. */
enum { BLOCK_BYTES = 5120, BLOCKS = 64 };
static const unsigned long FIRST_IN_NEED = 0x30200000UL;

/** OpenSSL hands its allocators no context: there is one reserve, as there is one OpenSSL. */
static struct {
    pthread_mutex_t mutex; /* of the blocks */
    void *blocks[BLOCKS];
    atomic_size_t count;
} reserve = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/** OpenSSL tells its allocators which source file asks. */
static bool makes_record_layers(const char *file)
{
    static const char *const folders[] = {"ssl/record/methods/", "crypto/bio/", "crypto/buffer/"};
    for (size_t i = 0; file && i < sizeof folders / sizeof *folders; i++)
        if (strstr(file, folders[i]))
            return true;
    return false;
}

static void *take(size_t size, const char *file)
{
    void *block = NULL;
    if (size > BLOCK_BYTES || !makes_record_layers(file))
        return NULL;
    pthread_mutex_lock(&reserve.mutex);
    if (reserve.count > 0)
        block = reserve.blocks[--reserve.count];
    pthread_mutex_unlock(&reserve.mutex);
    return block;
}

/** True: the reserve had room for it. */
static bool give(void *block)
{
    pthread_mutex_lock(&reserve.mutex);
    bool missing = reserve.count < BLOCKS;
    if (missing)
        reserve.blocks[reserve.count++] = block;
    pthread_mutex_unlock(&reserve.mutex);
    return missing;
}

static void *allocate(size_t size, const char *file, int line)
{
    void *block = malloc(size);
    (void)line;
    if (!block)
        block = take(size, file);
    return block;
}

static void *resize(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(block, size);
}

static void release(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    if (block && reserve.count < BLOCKS && malloc_usable_size(block) >= BLOCK_BYTES && give(block))
        return;
    free(block);
}

bool tls_memory_needed(void)
{
    return OpenSSL_version_num() >= FIRST_IN_NEED;
}

bool tls_memory_reserve(void)
{
    if (!tls_memory_needed())
        return true;
    while (reserve.count < BLOCKS) {
        void *block = malloc(BLOCK_BYTES);
        if (!block)
            return false;
        reserve.blocks[reserve.count++] = block;
    }
    return CRYPTO_set_mem_functions(allocate, resize, release) == 1;
}
