/* What the oracles that work on cJSON's trees share. */
#pragma once
#include "fuzz.h"
#include <cjson/cJSON.h>

static inline bool contains(struct slice text, const char *what)
{
    return memmem(text.ptr, text.len, what, strlen(what)) != NULL;
}

/** The member of this name, the last one if it comes more than once; NULL: none, or no object. */
static inline cJSON *last_member(const cJSON *object, const char *name)
{
    cJSON *found = NULL;
    if (cJSON_IsObject(object))
        for (cJSON *member = object->child; member; member = member->next)
            if (strcmp(member->string, name) == 0)
                found = member;
    return found;
}
