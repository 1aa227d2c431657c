/* A directory of dead letters for each test, and what is in today's file. */
#pragma once
#include "letters.h"
#include <dirent.h>
#include <unistd.h>

static char directory[64];

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/dead-letters-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

/** Empties the directory; with `remove` it goes too. */
static inline void empty_directory(bool remove)
{
    char path[sizeof directory + 256 + 2];
    DIR *entries = opendir(directory);
    struct dirent *entry;
    while (entries && (entry = readdir(entries))) {
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (entries)
        closedir(entries);
    if (remove)
        rmdir(directory);
}

static inline int remove_directory(void **state)
{
    (void)state;
    empty_directory(true);
    return 0;
}

static inline void open_directory(struct world *world, int64_t max_bytes)
{
    struct dead_letters_options options = {.directory = directory, .max_bytes = max_bytes};
    world_open(world, &options);
}

static inline void todays_path(char *path, size_t size)
{
    char day[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall_ms(clock_system()), day);
    snprintf(path, size, "%s/dead-letters-%.10s.jsonl", directory, day);
}

/** Today's file; the caller frees. */
static inline char *read_today(void)
{
    char path[256], chunk[4096];
    struct buffer text = {0};
    size_t got;
    todays_path(path, sizeof path);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        buffer_append(&text, chunk, got);
    fclose(file);
    return buffer_take(&text, NULL);
}

#define IN_A_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
