/* What a source and its tickets are to the sources themselves: the first members of their own structs. */
#pragma once
#include "source/source.h"

struct ticket {
    /** Takes the ticket back: `done` as in source_ticket_done, or not as in source_ticket_drop. */
    void (*settle)(struct ticket *ticket, bool done);
};

/** One function for each of source.h; none may be NULL, except for give_up and abandon of a source whose
 * records come again. */
struct source_class {
    void (*resume)(struct source *source);
    void (*stop_taking)(struct source *source);
    bool (*idle)(const struct source *source);
    void (*close)(struct source *source, void (*closed)(void *ctx), void *ctx);
    size_t (*summary)(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX]);
    unsigned (*assigned)(const struct source *source);
    size_t (*give_up)(struct source *source);
    /** NULL: what it hands over comes again. */
    size_t (*abandon)(const struct source *source);
};

struct source {
    const struct source_class *class;
};
