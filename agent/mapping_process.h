/* The operator's mapping file, and the process that evaluates it. */
#pragma once
#include "config/config.h"
#include "map/process.h"

/** Reads the file of CONTROL_THE_PAYLOAD_CONFIG_PATH, compiles it and starts its process: call it before any
 * thread exists. No file at the default path: the built-in mappings, and *from_file is false. The file's text
 * is appended to `text` (NULL: nobody wants it). 0; PA_ERR_INVALID (a file that cannot be read, or is wrong)
 * or PA_ERR_MEMORY or PA_ERR_IO, each with its lines in `problems`. What is odd but works goes to `warnings`,
 * a line each. End the process with map_process_end. */
PA_MUST_USE int mapping_process_start(struct config *config, struct map_process *process, bool *from_file,
                                      struct buffer *text, struct buffer *problems, struct buffer *warnings);

/** What another compiler is made of. */
struct mapping_renewal {
    /** map_process's. */
    int nursery;
    /** Null: the built-in mappings. */
    struct slice text;
    struct slice secret, previous_secrets[MAP_PREVIOUS_SECRETS];
};
/** Has it made, as map_process_compile; problems and warnings as above. */
PA_MUST_USE int mapping_process_renew(const struct config *config, const struct mapping_renewal *renewal,
                                      int *compiler, struct buffer *problems, struct buffer *warnings);

#define MAPPING_FILE_SETTING "CONTROL_THE_PAYLOAD_CONFIG_PATH"
/** Appends the text of the file at `path`, which `name` (the setting, or an option) gives. 0;
 * PA_ERR_NOT_FOUND: the setting's default names a file that is not there, so the built-in mappings apply;
 * PA_ERR_INVALID with a line in `problems`; PA_ERR_MEMORY. */
PA_MUST_USE int mapping_file_read(const char *name, const char *path, struct buffer *text,
                                  struct buffer *problems);
/** Appends every line of `lines` with the file's path in front. */
void mapping_file_add_lines(struct buffer *out, const char *path, struct slice lines);
