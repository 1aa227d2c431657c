/* See step.h. */
#include "port/step.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t step_bytes(const struct step *step)
{
    return sizeof *step + step->path_size + step->body.cap;
}

void step_discard(struct step *step)
{
    if (step)
        buffer_clear(&step->body);
    free(step);
}

struct step *step_new(bool node_run, const char *run_id, bool result, const char *suffix, struct buffer *body)
{
    char path[192]; /* a run's id has 128 characters at most */
    int length = snprintf(path, sizeof path, "/v1/%s/%s%s",
                          node_run ? "workflows/nodes/runs" : "actions/runs", run_id, suffix);
    size_t path_size = (size_t)length + 1;
    buffer_trim(body);
    struct step *step = body->failed ? NULL : malloc(sizeof *step + path_size);
    if (!step) {
        buffer_clear(body);
        return NULL;
    }
    *step = (struct step){.result = result, .body = *body, .path_size = path_size};
    memcpy(step->path, path, path_size);
    *body = (struct buffer){0};
    return step;
}
