/* The loop's side of the directory: what is due is made into lines here, so that the thread that writes them
 * needs nothing of the letters, and goes to the thread pool as one batch with one sync. */
#include "deadletter/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** DAY_LENGTH: of "dead-letters-2026-01-13". */
enum { BATCH_LETTERS = 256, DAY_LENGTH = 23 };

struct directory {
    struct dead_letters *letters;
    char *path;
    int64_t max_bytes;
    uv_work_t work;
    bool under_way, closing;
    /* The batch: the thread's alone while `under_way`. */
    /** Of the day's file; where the lines went, afterwards. */
    char name[LETTERS_NAME_SIZE];
    struct buffer bytes;
    size_t count, starts[BATCH_LETTERS + 1];
    struct day_line lines[BATCH_LETTERS];
    /* The loop's; the thread does not touch them. */
    /** What is in the place of the day's file that was warned of last. */
    char taken[LETTERS_NAME_SIZE];
    struct dead_letter_write *writes[BATCH_LETTERS];
};

struct directory *directory_new(struct dead_letters *letters, const char *path, int64_t max_bytes,
                                struct error *err)
{
    int error = day_file_prepare(path);
    if (error == ENOTDIR || error == ELOOP) {
        error_set(err, PA_ERR_INVALID, "DEAD_LETTER_DIR: '%.200s' is not a directory%s", path,
                  error == ELOOP ? ", but a symbolic link" : "");
        return NULL;
    }
    if (error)
        log_error("dead letters cannot be written now: records that need one will be held back",
                  F_STR("file.directory", path), F_STR("error.message", strerror(error)));
    struct directory *directory = calloc(1, sizeof *directory);
    char *copy = directory ? strdup(path) : NULL;
    if (!copy) {
        free(directory);
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    directory->letters = letters;
    directory->path = copy;
    directory->max_bytes = max_bytes;
    return directory;
}

static void directory_free(struct directory *directory)
{
    struct dead_letters *letters = directory->letters;
    buffer_clear(&directory->bytes);
    free(directory->path);
    free(directory);
    letters_part_closed(letters);
}

static void append_work(uv_work_t *work)
{
    struct directory *directory = work->data;
    day_file_append(directory->path, directory->name, directory->max_bytes, directory->lines,
                    directory->count);
}

/** Once a day. */
static void warn_of_taken_name(struct directory *directory)
{
    char expected[LETTERS_NAME_SIZE];
    snprintf(expected, sizeof expected, "%.*s.jsonl", DAY_LENGTH, directory->name);
    if (strcmp(directory->name, expected) == 0 || strcmp(directory->taken, expected) == 0)
        return;
    memcpy(directory->taken, expected, sizeof expected);
    log_warning("the day's file of dead letters is not one that can be written: another is used",
                F_STR("file.directory", directory->path), F_STR("taken", expected),
                F_STR("file.name", directory->name));
}

static void append_done(uv_work_t *work, int status)
{
    struct directory *directory = work->data;
    (void)status;
    warn_of_taken_name(directory);
    for (size_t i = 0; i < directory->count; i++) {
        struct dead_letter_write *write = directory->writes[i];
        if (directory->lines[i].error)
            write_failed(write, directory->lines[i].reason);
        else
            write_succeeded(write);
    }
    directory->count = 0;
    directory->under_way = false;
    /* A large letter's line is not kept for the small ones after it. */
    directory->bytes.len = 0;
    if (directory->bytes.cap > 2 * (size_t)BATCH_BYTES)
        buffer_clear(&directory->bytes);
    if (directory->closing)
        directory_free(directory);
    else
        letters_wake(directory->letters);
}

/** One letter's line at the end of the batch; false: out of memory, the batch is as it was. */
static bool batch_add(struct directory *directory, struct dead_letter_write *write)
{
    size_t before = directory->bytes.len;
    char mac[LETTER_MAC_SIZE];
    if (letter_seal_mac(directory->letters->seal, slice_of(write->id), &write->letter, mac) != 0)
        return false;
    line_append(&directory->bytes, write->id, &write->letter, mac);
    if (directory->bytes.failed) {
        directory->bytes.failed = false;
        directory->bytes.len = before;
        return false;
    }
    directory->starts[directory->count] = before;
    directory->writes[directory->count++] = write;
    write->state = WRITE_UNDER_WAY;
    return true;
}

static void batch_fill(struct directory *directory, int64_t now_ms)
{
    struct dead_letters *letters = directory->letters;
    struct dead_letter_write *write = write_due(letters, NULL, now_ms);
    while (write && directory->count < BATCH_LETTERS) {
        struct dead_letter_write *next = write_due(letters, write, now_ms);
        if (directory->count > 0 && directory->bytes.len + write->letter.value.len > BATCH_BYTES)
            break;
        if (!batch_add(directory, write))
            write_failed(write, "out of memory");
        write = next;
    }
    directory->starts[directory->count] = directory->bytes.len;
}

void directory_pump(struct directory *directory, int64_t now_ms)
{
    if (directory->under_way || directory->closing)
        return;
    batch_fill(directory, now_ms);
    if (directory->count == 0)
        return;
    for (size_t i = 0; i < directory->count; i++) {
        size_t start = directory->starts[i];
        directory->lines[i] =
            (struct day_line){.bytes = {directory->bytes.ptr + start, directory->starts[i + 1] - start}};
    }
    char now[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(directory->letters->clock), now);
    snprintf(directory->name, sizeof directory->name, "dead-letters-%.10s.jsonl", now);
    directory->under_way = true;
    directory->work.data = directory;
    uv_queue_work(directory->letters->loop, &directory->work, append_work, append_done);
}

void directory_close(struct directory *directory)
{
    directory->closing = true;
    if (!directory->under_way)
        directory_free(directory);
}
