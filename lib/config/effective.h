/* The settings in force: the value of each and where it comes from, for whoever shows them. A secret is never
 * shown, only that it is set. */
#pragma once
#include "config/table.h"

/** "default", "environment", ".env" or "file" (NAME_FILE): where the setting at that place in the table comes
 * from. */
const char *config_origin(const struct config *config, size_t place);
/** Appends the value in force of the setting at that place in the table, as it could be written; "set" stands
 * for a secret, "***" for a password in a URL. Nothing: it is not set. Secrets that config_forget_secrets has
 * wiped are not set. */
void config_append_value(const struct config *config, size_t place, struct buffer *out);
