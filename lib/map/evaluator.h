/* The process that evaluates, and the blocking streams of frames that it and its parent use. Private to the
 * map room. */
#pragma once
#include "map/pace.h"
#include "map/process.h"
#include <stdatomic.h>

struct mappings;

struct evaluator {
    pid_t pid;
    int fd;
    /** Its own. */
    struct map_process_options bounds;
    struct mappings *mappings;
    /** Shared with its parent: its death is the expression's fault. */
    atomic_bool *evaluating;
    /** Its place in it, and the memory, are shared in the same way. */
    struct pacing pacing;
    /** Bytes that were read ahead. */
    struct buffer in;
    /** Of it, in bytes. */
    size_t taken;
    struct buffer fields;
    /** The key of encrypted properties; null: no mapping decrypts. */
    struct slice secret;
    /** There was no memory even to read with. */
    bool starved;
};

/** Writes a frame. False: the other side is gone. */
PA_MUST_USE bool map_frame_write(int fd, uint32_t what, struct slice bytes);
/** Reads a frame into `bytes`, which is emptied first. False: gone, or no memory. */
PA_MUST_USE bool map_frame_read(int fd, uint32_t *what, struct buffer *bytes);
/** Answers frame by frame, until the agent closes the socket or memory has grown: what is read ahead by then,
 * the next evaluator gets. */
void evaluator_run(struct evaluator *evaluator);
