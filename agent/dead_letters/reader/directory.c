/* Letters of a directory: its days in order, each file's lines in order. */
#include "internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SLACK = 1 << 20 };
static const char REPLAY_LOCK_NAME[] = "dead-letters.replay.lock";

struct directory_reader {
    /** First: what reader.c knows of it. */
    struct dead_letter_reader reader;
    char *path;
    /** Names of the files, sorted. */
    struct dirent **days;
    int day_count, next_day;
    /** Of the file that is open, or was last, and the day in it. */
    char name[LETTERS_NAME_SIZE], day[11];
    /** NULL: none is open. */
    FILE *file;
    /** Longer lines are no letters. */
    size_t line_max;
    /** Of the line in it. */
    uint64_t line_number;
    /** Of the line, for people. */
    struct buffer where;
    struct replayed_ids replayed;
    /** Files of marks that are none, a line each, until they are told. */
    struct buffer odd_marks;
    /** The line. */
    char *text;
    size_t room;
    struct line line;
};

static struct directory_reader *directory_of(struct dead_letter_reader *reader)
{
    return (struct directory_reader *)reader;
}

/** Each 0 of the pattern stands for a digit. */
static int has_pattern(const char *name, const char *pattern)
{
    if (strlen(name) != strlen(pattern))
        return 0;
    for (size_t i = 0; pattern[i]; i++)
        if (pattern[i] == '0' ? name[i] < '0' || name[i] > '9' : name[i] != pattern[i])
            return 0;
    return 1;
}

static int is_day_file(const struct dirent *entry)
{
    return has_pattern(entry->d_name, "dead-letters-0000-00-00.jsonl") ||
           has_pattern(entry->d_name, "dead-letters-0000-00-00.0.jsonl");
}

static int is_marks_file(const struct dirent *entry)
{
    return has_pattern(entry->d_name, "dead-letters-0000-00-00.replayed") ||
           has_pattern(entry->d_name, "dead-letters-0000-00-00.0.replayed");
}

static int cannot(struct error *err, const char *doing, const char *path)
{
    return error_set(err, PA_ERR_IO, "%s '%.300s': %s", doing, path, strerror(errno));
}

/** A file to read. NULL: nobody can read it as one, with why in words in `why`, which is NULL where it is
 * there no more. */
static FILE *open_file(int directory, const char *name, const char **why)
{
    int fd = letters_file_open(directory, name, O_RDONLY);
    FILE *file = fd < 0 || letters_file_is_hollow(fd) ? NULL : fdopen(fd, "r");
    *why = NULL;
    if (file)
        return file;
    if (fd >= 0)
        *why = "it consists of holes, which no agent leaves";
    else if (errno != ENOENT)
        *why = letters_file_words(errno);
    if (fd >= 0)
        close(fd);
    return NULL;
}

/** What is no file of letters, or of marks, is named and passed over. */
static void file_broken(struct directory_reader *reader, const char *name, const char *why)
{
    reader->where.len = 0;
    buffer_appendf(&reader->where, "%s/%s", reader->path, name);
    reader_broken(&reader->reader, buffer_text(&reader->where), why);
}

/** What was replayed, by one of the files that remember it. */
static int read_marks_file(struct directory_reader *reader, int directory, const char *name,
                           struct error *err)
{
    char mark[128];
    const char *why;
    FILE *marks = open_file(directory, name, &why);
    if (!marks && why && errno == EACCES)
        return error_set(err, PA_ERR_IO, "cannot read '%.300s': %s", name, why);
    if (!marks && why)
        buffer_appendf(&reader->odd_marks, "%s/%s: %s\n", reader->path, name, why);
    if (!marks)
        return reader->odd_marks.failed ? error_set(err, PA_ERR_MEMORY, "out of memory") : 0;
    bool kept = true;
    uint64_t id;
    while (kept && fgets(mark, sizeof mark, marks))
        if (letter_id_number((struct slice){mark, strcspn(mark, " \n")}, &id))
            kept = replayed_add(&reader->replayed, id);
    fclose(marks);
    return kept ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

/** What was replayed, whichever day's file remembers it: a letter that is moved to another file is the same
 * letter. */
static int read_marks(struct directory_reader *reader, int directory, struct error *err)
{
    struct dirent **files = NULL;
    int count = scandirat(directory, ".", &files, is_marks_file, alphasort);
    int failed = count < 0 ? cannot(err, "cannot read the directory", reader->path) : 0;
    for (int i = 0; i < count; i++) {
        if (!failed)
            failed = read_marks_file(reader, directory, files[i]->d_name, err);
        free(files[i]);
    }
    free(files);
    replayed_sort(&reader->replayed);
    return failed;
}

/** 1: the next day's file is open; 0: there is none; or an error. */
static int open_day(struct directory_reader *reader, struct error *err)
{
    const char *why;
    int directory = letters_directory_open(reader->path);
    if (directory < 0)
        return cannot(err, "cannot open", reader->path);
    reader->line_number = 0;
    while (!reader->file && reader->next_day < reader->day_count) {
        snprintf(reader->name, sizeof reader->name, "%.63s", reader->days[reader->next_day++]->d_name);
        snprintf(reader->day, sizeof reader->day, "%.10s", reader->name + strlen("dead-letters-"));
        reader->file = open_file(directory, reader->name, &why);
        if (!reader->file && why)
            file_broken(reader, reader->name, why);
    }
    close(directory);
    return reader->file != NULL;
}

static void close_day(struct directory_reader *reader)
{
    if (reader->file)
        fclose(reader->file);
    reader->file = NULL;
}

/** False: out of memory. */
static bool make_line_room(struct directory_reader *reader, size_t len)
{
    if (len < reader->room)
        return true;
    size_t room = reader->room ? reader->room * 2 : 4096;
    char *grown = realloc(reader->text, room);
    if (grown) {
        reader->text = grown;
        reader->room = room;
    }
    return grown != NULL;
}

/** Its length; 0: the end of the file. Of a line that is longer than any letter the beginning is kept, and
 * no more memory than that is taken. */
static size_t read_line(struct directory_reader *reader)
{
    size_t len = 0;
    int c = 0;
    while (c != '\n' && (c = getc_unlocked(reader->file)) != EOF)
        if (len <= reader->line_max) {
            if (!make_line_room(reader, len))
                return 0;
            reader->text[len++] = (char)c;
        }
    return len;
}

/** A last line without its line break is a letter when it is whole. When it is not, an agent may be writing
 * it right now: agents write under the directory's lock, so under the lock there is the line, or half of one
 * that a crash left. */
static size_t read_line_again(struct directory_reader *reader, size_t len)
{
    long start = ftell(reader->file) - (long)len;
    int directory = letters_directory_open(reader->path);
    int lock = directory < 0 ? -1 : day_file_lock(directory);
    size_t again = start >= 0 && fseek(reader->file, start, SEEK_SET) == 0 ? read_line(reader) : len;
    if (lock >= 0)
        close(lock);
    if (directory >= 0)
        close(directory);
    return again;
}

/** 1: a letter; 0: not one. */
static int take_line(struct directory_reader *reader, size_t len, struct dead_letter_entry *entry)
{
    uint64_t id;
    line_clear(&reader->line);
    const char *wrong = len > reader->line_max
                            ? "it is longer than any letter (RECORD_MAX_BYTES says how long they are)"
                            : line_parse((struct slice){reader->text, len}, &reader->line);
    if (wrong && reader->text[len - 1] != '\n' && len <= reader->line_max) {
        len = read_line_again(reader, len);
        if (len == 0)
            return 0; /* what a full disk had cut off was taken back */
        line_clear(&reader->line);
        wrong = line_parse((struct slice){reader->text, len}, &reader->line);
        if (wrong && reader->text[len - 1] != '\n')
            wrong = "the file ends in the middle of it";
    }
    reader->where.len = 0;
    buffer_appendf(&reader->where, "%s/%s:%" PRIu64, reader->path, reader->name, ++reader->line_number);
    entry->where = buffer_text(&reader->where);
    if (wrong || !letter_id_number(slice_of(reader->line.id), &id)) {
        reader_broken(&reader->reader, entry->where, wrong);
        return 0;
    }
    snprintf(entry->ref.id, sizeof entry->ref.id, "%s", reader->line.id);
    memcpy(entry->ref.day, reader->day, sizeof entry->ref.day);
    entry->replayed = replayed_has(&reader->replayed, id);
    entry->letter_id = slice_of(reader->line.id);
    entry->mac = reader->line.mac;
    entry->letter = reader->line.letter;
    return 1;
}

/** Before the first letter, when somebody listens. */
static void tell_odd_marks(struct directory_reader *reader)
{
    for (char *line = (char *)(uintptr_t)buffer_text(&reader->odd_marks), *end; *line; line = end + 1) {
        char *why = strstr(line, ": ");
        end = strchr(line, '\n');
        *why = *end = '\0';
        reader_broken(&reader->reader, line, why + 2);
    }
    buffer_clear(&reader->odd_marks);
}

static int next(struct dead_letter_reader *base, struct dead_letter_entry *entry, struct error *err)
{
    struct directory_reader *reader = directory_of(base);
    tell_odd_marks(reader);
    for (;;) {
        if (!reader->file) {
            int opened = open_day(reader, err);
            if (opened != 1)
                return opened;
        }
        size_t len = read_line(reader);
        if (len > 0 && take_line(reader, len, entry))
            return 1;
        if (len == 0 && !feof(reader->file))
            return cannot(err, "cannot read the letters of", reader->day);
        if (len == 0)
            close_day(reader);
    }
}

int dead_letter_replay_lock(const char *directory, bool wait, struct error *err)
{
    int folder = letters_directory_open(directory);
    int lock = folder < 0 ? -1 : letters_file_open(folder, REPLAY_LOCK_NAME, O_RDWR | O_CREAT);
    int failed = lock < 0 ? cannot(err, "cannot lock the letters of", directory) : 0;
    while (!failed && flock(lock, LOCK_EX | (wait ? 0 : LOCK_NB)) != 0)
        if (errno != EINTR)
            failed = errno == EWOULDBLOCK
                         ? error_set(err, PA_ERR_UNAVAILABLE,
                                     "another process replays the letters of '%.300s'", directory)
                         : cannot(err, "cannot lock the letters of", directory);
    if (folder >= 0)
        close(folder);
    if (failed && lock >= 0)
        close(lock);
    return failed ? failed : lock;
}

static int mark_day(struct directory_reader *reader, const struct dead_letter_ref *refs, size_t count,
                    struct error *err)
{
    char name[LETTERS_NAME_SIZE], now[CLOCK_RFC3339_SIZE];
    struct buffer text = {0};
    clock_rfc3339(clock_wall_ms(clock_system()), now);
    for (size_t i = 0; i < count; i++)
        buffer_appendf(&text, "%s %s\n", refs[i].id, now);
    struct day_line line = {.bytes = buffer_slice(&text)};
    snprintf(name, sizeof name, "dead-letters-%s.replayed", refs->day);
    /* Not held back by the directory's bound: what is forgotten would be sent again. */
    if (!text.failed)
        day_file_append(reader->path, name, INT64_MAX, &line, 1);
    int failed = text.failed  ? error_set(err, PA_ERR_MEMORY, "out of memory")
                 : line.error ? error_set(err, PA_ERR_IO, "%s: %s", name, line.reason)
                              : 0;
    buffer_clear(&text);
    return failed;
}

static int mark(struct dead_letter_reader *base, const struct dead_letter_ref *refs, size_t count,
                struct error *err)
{
    int failed = 0;
    for (size_t start = 0, end; start < count && !failed; start = end) {
        for (end = start + 1; end < count && strcmp(refs[end].day, refs[start].day) == 0;)
            end++;
        failed = mark_day(directory_of(base), refs + start, end - start, err);
    }
    return failed;
}

static void reader_free(struct dead_letter_reader *base)
{
    struct directory_reader *reader = directory_of(base);
    close_day(reader);
    for (int i = 0; i < reader->day_count; i++)
        free(reader->days[i]);
    free(reader->days);
    replayed_clear(&reader->replayed);
    line_clear(&reader->line);
    buffer_clear(&reader->where);
    buffer_clear(&reader->odd_marks);
    free(reader->text);
    free(reader->path);
    free(reader);
}

static const struct reader_class class = {next, mark, reader_free};

struct dead_letter_reader *dead_letter_reader_directory(const char *path, size_t record_max_bytes,
                                                        struct error *err)
{
    struct directory_reader *reader = calloc(1, sizeof *reader);
    char *copy = reader ? strdup(path) : NULL;
    if (!copy) {
        free(reader);
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    reader->reader.class = &class;
    reader->path = copy;
    /* Base64 of a record, its key among it, and what else a letter has. */
    reader->line_max = 2 * record_max_bytes + LINE_SLACK;
    int directory = letters_directory_open(path);
    reader->day_count = directory < 0 ? -1 : scandirat(directory, ".", &reader->days, is_day_file, alphasort);
    int failed = reader->day_count < 0 ? cannot(err, "cannot read the directory", path)
                                       : read_marks(reader, directory, err);
    if (directory >= 0)
        close(directory);
    if (failed) {
        reader_free(&reader->reader);
        return NULL;
    }
    return &reader->reader;
}
