/* A breaker: nobody listens where some events go. It opens, others go on meanwhile, and when somebody
 * listens, everything is delivered. */
#include "acts.h"
#include <stdio.h>

enum { DOWN_EVENTS = 8, OTHER_EVENTS = 3 };
enum phase { UNTIL_OPEN, UNTIL_OTHERS, UNTIL_CLOSED };

static const char DOWN_RUNS[] = "r_down", OTHER_RUNS[] = "r_other";
static const char OPEN[] = "circuit open", CLOSED[] = "circuit closed";

static struct demo_event event_of(const struct acts *acts, const char *run_id, bool down)
{
    return (struct demo_event){.run_id = run_id,
                               .org = DEMO_MAPPED_ORG,
                               .method = "POST",
                               .path = "/ok",
                               .port = down ? acts->world->down_port : 0,
                               .synchronized = true,
                               .agent = true};
}

int act_breaker_begin(struct acts *acts, struct error *err)
{
    return acts_produce(acts, event_of(acts, DOWN_RUNS, true), DOWN_EVENTS, err);
}

void act_breaker_go_on(struct acts *acts)
{
    unsigned *phase = &acts->phase[ACT_BREAKER];
    struct error err = {0};
    int failed = 0;
    if (*phase == UNTIL_OPEN && !slice_is_null(child_line_with(&acts->agent, OPEN))) {
        failed = acts_produce(acts, event_of(acts, OTHER_RUNS, false), OTHER_EVENTS, &err);
        *phase = UNTIL_OTHERS;
    } else if (*phase == UNTIL_OTHERS && acts_succeeded(acts, OTHER_RUNS, OTHER_EVENTS) == OTHER_EVENTS) {
        failed = demo_world_bring_up(acts->world, &err);
        *phase = UNTIL_CLOSED;
    }
    if (failed)
        acts_fail(acts, &err);
    acts->over[ACT_BREAKER] = *phase == UNTIL_CLOSED &&
                              acts_succeeded(acts, DOWN_RUNS, DOWN_EVENTS) == DOWN_EVENTS &&
                              !slice_is_null(child_line_with(&acts->agent, CLOSED));
}

static void append_line(struct acts *acts, const char *name, const char *text, struct buffer *members)
{
    buffer_appendf(members, ",\"%s\":", name);
    buffer_append_json_string(members, child_line_with(&acts->agent, text));
}

static void row_of_line(struct acts *acts, const char *name, const char *text)
{
    struct buffer line = {0};
    buffer_append_slice(&line, child_line_with(&acts->agent, text));
    demo_row(acts->show, name, buffer_text(&line));
    buffer_clear(&line);
}

void act_breaker_print(struct acts *acts)
{
    char sentence[160];
    struct buffer members = {0};
    buffer_appendf(&members, "\"events\":%d,\"others\":%d", DOWN_EVENTS, OTHER_EVENTS);
    append_line(acts, "opened", OPEN, &members);
    append_line(acts, "closed", CLOSED, &members);
    demo_object(acts->show, "breaker", &members);
    demo_say(acts->show, "\nA breaker. %d events went to 127.0.0.1:%d, where nobody listened:\n\n",
             DOWN_EVENTS, acts->world->down_port);
    row_of_line(acts, "the agent's log", OPEN);
    snprintf(sentence, sizeof sentence, "%d events to another endpoint were delivered", OTHER_EVENTS);
    demo_row(acts->show, "meanwhile", sentence);
    row_of_line(acts, "then somebody listens", CLOSED);
    snprintf(sentence, sizeof sentence, "all %d were delivered, and Port was told SUCCESS of each",
             DOWN_EVENTS);
    demo_row(acts->show, "nothing was lost", sentence);
}
