/* .env files as python-dotenv reads them: NAME=value lines, `export`, single and double quotes (which may
 * span lines), comments; ${NAME} and ${NAME:-default} stand for earlier lines or the
 * environment. */
#pragma once
#include "base/buffer.h"

/** One setting of the file; both texts are owned by the list. */
struct dotenv_entry {
    char *name, *value;
};
struct dotenv {
    struct dotenv_entry *entries;
    size_t count;
};

/** Parses `text`. `environment` (NAME=value strings, NULL at the end; may be NULL) is what ${NAME} may mean.
 * Lines that cannot be read are left out, each with a line in `warnings`. 0 or PA_ERR_MEMORY.
 */
PA_MUST_USE int dotenv_parse(struct slice text, char *const *environment, struct dotenv *out,
                             struct buffer *warnings);
/** The last value of `name`, or NULL. */
const char *dotenv_get(const struct dotenv *dotenv, const char *name);
void dotenv_clear(struct dotenv *dotenv);
