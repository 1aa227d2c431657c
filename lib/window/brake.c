/* See brake.h. A short list: a person writes it. */
#include "window/brake.h"
#include <stdlib.h>
#include <string.h>

static size_t place_of_name(const struct brake *brake, const char *destination)
{
    size_t place = 0;
    while (place < brake->count && strcmp(brake->names[place], destination) != 0)
        place++;
    return place;
}

bool brake_holds(const struct brake *brake, const char *destination)
{
    return place_of_name(brake, destination) < brake->count;
}

void brake_clear(struct brake *brake)
{
    for (size_t i = 0; i < brake->count; i++)
        free(brake->names[i]);
    *brake = (struct brake){0};
}

static bool hold_name(struct brake *brake, const char *destination)
{
    if (brake_holds(brake, destination))
        return true;
    char *name = brake->count < WINDOW_PAUSED_MAX ? strdup(destination) : NULL;
    if (name)
        brake->names[brake->count++] = name;
    return name != NULL;
}

bool brake_set(struct brake *brake, const char *destination, bool paused)
{
    if (destination && paused)
        return hold_name(brake, destination);
    if (!destination && paused) {
        brake->all = true;
    } else if (!destination) {
        brake_clear(brake);
    } else if (brake_holds(brake, destination)) {
        size_t place = place_of_name(brake, destination);
        free(brake->names[place]);
        brake->names[place] = brake->names[--brake->count];
    }
    return true;
}
