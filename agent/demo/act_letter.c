/* A dead letter: the event that the demo's own agent gave up, replayed once its endpoint is mended. */
#include "acts.h"
#include "agent/body.h"
#include <stdio.h>
#include <string.h>

enum phase { UNTIL_GIVEN_UP, UNTIL_REPLAYED };

int act_letter_begin(struct acts *acts, struct error *err)
{
    (void)acts; /* the event is one of the demo's own */
    (void)err;
    return 0;
}

static void start_replay(struct acts *acts)
{
    const char *const words[] = {
        "port-agent", "dead-letters",  "replay",   "--all",
        "--run",      DEMO_LETTER_RUN, "--output", acts->show->json ? "json" : "text",
        NULL};
    struct child_settings settings = {0};
    struct error err = {0};
    demo_settings(acts->world, DEMO_ORG, &settings);
    child_set(&settings, "DEAD_LETTER_TOPIC", "%s", DEMO_LETTERS_TOPIC);
    child_set(&settings, "LOG_LEVEL", "ERROR");
    acts->world->mended = true;
    if (child_start(&acts->replay, words, &settings, -1, &err) != 0)
        acts_fail(acts, &err);
}

void act_letter_go_on(struct acts *acts)
{
    child_look(&acts->replay);
    if (acts->phase[ACT_LETTER] == UNTIL_GIVEN_UP && acts->script_over) {
        start_replay(acts);
        acts->phase[ACT_LETTER] = UNTIL_REPLAYED;
    }
    acts->over[ACT_LETTER] = acts->replay.ended;
}

void act_letter_print(struct acts *acts)
{
    const struct demo_seen *seen = demo_seen(acts->world, slice_of(DEMO_LETTER_RUN));
    struct slice said = buffer_slice(&acts->replay.said);
    struct buffer members = {0};
    buffer_appendf(&members, "\"attempts\":%d,\"requests\":%u,\"replay\":", DEMO_LETTER_ATTEMPTS,
                   seen->requests);
    body_append_value(said, &members);
    buffer_appendf(&members, ",\"exit_code\":%d,\"port\":\"%s\"", acts->replay.exit_code, seen->status);
    demo_object(acts->show, "dead_letter", &members);
    demo_say(acts->show,
             "\nA dead letter. The event that was given up is kept in the topic " DEMO_LETTERS_TOPIC
             " (DEAD_LETTER_TOPIC). Its endpoint works again, and this sends it once more:\n\n"
             "  port-agent dead-letters replay --all --run " DEMO_LETTER_RUN "\n\n");
    demo_block(acts->show, said);
    if (acts->replay.exit_code != 0 || strcmp(seen->status, "SUCCESS") != 0 ||
        seen->requests != DEMO_LETTER_ATTEMPTS + 1)
        demo_problem(acts->show,
                     "the replay ended with exit code %d, after %u requests in all; Port was told %s",
                     acts->replay.exit_code, seen->requests, seen->status);
    else
        demo_say(acts->show, "\nPort was told SUCCESS of it.");
}
