/* JSON text read into a tree by cJSON, which by itself takes a value for the whole text and does not look at
 * what stands behind it. For what is small: where bytes matter, lib/json walks over the text instead. */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include <cjson/cJSON.h>

/** The text as one JSON value with nothing but blanks around it; freed with cJSON_Delete. NULL, with a
 * sentence that begins "is" or "has" and names the byte (from 1), where it is something else, or out of
 * memory, which cJSON does not tell apart. `err` may be NULL. */
PA_MUST_USE cJSON *json_tree(struct slice text, struct error *err);
