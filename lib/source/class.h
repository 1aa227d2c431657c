/* What a source is: how it is called, what it needs, and one function for each of source.h; and what a source
 * and its tickets are to the sources themselves, the first members of their own structs. Only the sources and
 * the code that chooses one of them include it. */
#pragma once
#include "source/source.h"

struct ticket {
    /** Takes the ticket back: `done` as in source_ticket_done, or not as in source_ticket_drop. */
    void (*settle)(struct ticket *ticket, bool done);
    /** As source_ticket_read_again. NULL: its record cannot be read again. */
    enum source_reading (*read_again)(struct ticket *ticket, void *reader);
};

/** No function may be NULL, except for give_up and abandon of a source whose records come again,
 * each_partition of one that has no partitions, and for those that say so. */
struct source_class {
    /** As STREAMER_NAME has it: in the log, and for Port. */
    const char *name;
    /** File descriptors that its connections take, those to Port aside. */
    unsigned descriptors;
    /** What fails, with these settings, while Port refuses the credentials or cannot be asked; in words. */
    const char *(*without_port)(const struct config *config);
    /** NULL: it is not chosen by STREAMER_NAME, and without_port is NULL too. */
    source_new *open;
    void (*resume)(struct source *source);
    void (*stop_taking)(struct source *source);
    bool (*idle)(const struct source *source);
    void (*close)(struct source *source, void (*closed)(void *ctx), void *ctx);
    size_t (*summary)(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX]);
    unsigned (*assigned)(const struct source *source);
    /** NULL: "running", and connected while it has a share of the work. */
    struct source_view (*view)(const struct source *source);
    void (*each_partition)(const struct source *source,
                           void (*each)(void *ctx, const struct source_partition *partition), void *ctx);
    /** NULL: its records cannot be read by their place. */
    int (*redeliver)(struct source *source, const struct redelivery_request *request);
    size_t (*give_up)(struct source *source);
    /** NULL: what it hands over comes again. */
    size_t (*abandon)(const struct source *source);
};

struct source {
    const struct source_class *class;
};
