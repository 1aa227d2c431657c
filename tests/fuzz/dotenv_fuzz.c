/* `.env`. Beside what the sanitizers find: entries are whole, lookups find the last value, and a file whose
 * values were written out in double quotes says the same. */
#include "config/dotenv.h"
#include "fuzz.h"

static char *const environment[] = {(char[]){"HOME=/home/x"}, (char[]){"EMPTY="}, NULL};

static bool is_plain(const char *text, const char *forbidden)
{
    for (; *text; text++)
        if (strchr(forbidden, *text))
            return false;
    return true;
}

static bool can_be_written(const struct dotenv *file)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct dotenv_entry *entry = &file->entries[i];
        if (!*entry->name || !is_plain(entry->name, "=# \t\r\n\v\f'") ||
            strncmp(entry->name, "\xef\xbb\xbf", 3) == 0)
            return false;
        /* an interpolated value may hold a reference that is not to be followed again */
        if (entry->value && strstr(entry->value, "${"))
            return false;
    }
    return true;
}

static void write_out(const struct dotenv *file, struct buffer *out)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct dotenv_entry *entry = &file->entries[i];
        buffer_append_text(out, entry->name);
        if (entry->value) {
            buffer_append_text(out, "=\"");
            for (const char *c = entry->value; *c; c++) {
                if (*c == '"' || *c == '\\')
                    buffer_append_char(out, '\\');
                buffer_append_char(out, *c);
            }
            buffer_append_char(out, '"');
        }
        buffer_append_char(out, '\n');
    }
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_written(const struct dotenv *file)
{
    struct buffer text = {0}, problems = {0};
    struct dotenv again;
    write_out(file, &text);
    EXPECT(dotenv_parse(buffer_slice(&text), NULL, &again, &problems) == 0);
    EXPECT(problems.len == 0 && again.count == file->count);
    for (size_t i = 0; i < file->count; i++)
        EXPECT(same_text(again.entries[i].name, file->entries[i].name) &&
               same_text(again.entries[i].value, file->entries[i].value));
    dotenv_clear(&again);
    buffer_clear(&text);
    buffer_clear(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = fuzz_input(data, size);
    struct buffer problems = {0};
    struct dotenv file;
    EXPECT(dotenv_parse(text, environment, &file, &problems) == 0);
    for (size_t i = 0; i < file.count; i++) {
        const char *last = NULL;
        for (size_t j = 0; j < file.count; j++)
            if (strcmp(file.entries[j].name, file.entries[i].name) == 0)
                last = file.entries[j].value;
        EXPECT(dotenv_get(&file, file.entries[i].name) == last);
    }
    if (can_be_written(&file))
        check_written(&file);
    dotenv_clear(&file);
    buffer_clear(&problems);
    return 0;
}
