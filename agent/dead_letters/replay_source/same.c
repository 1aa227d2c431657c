/* Letters of one record: an event that was written down twice must not be delivered twice. */
#include "internal.h"
#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_records(const void *a, const void *b)
{
    return strcmp(((const struct same_record *)a)->id, ((const struct same_record *)b)->id);
}

bool same_enter(struct replay_letter *letter)
{
    struct replay_source *replay = letter->replay;
    struct same_record wanted = {.id = letter->record_id};
    void *found = tfind(&wanted, &replay->same, compare_records);
    if (found) {
        struct same_record *same = *(struct same_record **)found;
        if (same->ended)
            letter_end(letter, same->marked ? REPLAY_SAME_DONE : REPLAY_SAME_LEFT);
        else
            letters_append(&same->waiting, letter);
        return false;
    }
    struct same_record *same = calloc(1, sizeof *same);
    char *id = same ? strdup(letter->record_id) : NULL;
    if (same)
        same->id = id;
    if (!id || !tsearch(same, &replay->same, compare_records)) {
        free(id);
        free(same);
        return true;
    }
    letter->same = same;
    return true;
}

void same_end(struct replay_source *replay, struct same_record *same, bool marked)
{
    (void)replay;
    same->ended = true;
    same->marked = marked;
    while (same->waiting.first) {
        struct replay_letter *letter = same->waiting.first;
        letters_remove(&same->waiting, letter);
        letter_end(letter, marked ? REPLAY_SAME_DONE : REPLAY_SAME_LEFT);
    }
}

static void record_free(void *node)
{
    struct same_record *same = node;
    while (same->waiting.first) {
        struct replay_letter *letter = same->waiting.first;
        letters_remove(&same->waiting, letter);
        letter_free(letter);
    }
    free(same->id);
    free(same);
}

void same_free(struct replay_source *replay)
{
    tdestroy(replay->same, record_free);
    replay->same = NULL;
}
