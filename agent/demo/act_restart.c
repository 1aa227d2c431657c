/* `kill -9`: the agent is killed while deliveries are under way, and started again. Every event arrives. */
#include "acts.h"
#include "base/clock.h"
#include <stdio.h>

enum { EVENTS = 40, AT_ONCE = 6, NAME_SIZE = 32 };
/* Sessions: how long the group waits for an agent that is gone. The embedded Kafka looks once a second who
 * is, has the next agent wait for a second less than the first one's session, and throws out who has waited
 * for longer than its own; an agent that is back too early waits twice. Before librdkafka 2.8 the first one
 * waits for three seconds. */
enum { REST_MS = 1400 };
#if RD_KAFKA_VERSION >= 0x02080000
enum { FIRST_SESSION_MS = 2000, SECOND_SESSION_MS = 1500 };
#else
enum { FIRST_SESSION_MS = 4000, SECOND_SESSION_MS = 3500 };
#endif
enum phase { UNTIL_KILLED, UNTIL_DELIVERED };

static const char RUNS[] = "r_work";

static int start_agent_again(struct acts *acts, struct error *err)
{
    static const char *const words[] = {"port-agent", "run", NULL};
    struct child_settings settings = {0};
    demo_settings(acts->world, DEMO_RESTARTED_ORG, &settings);
    child_set(&settings, "WEBHOOK_MAX_IN_FLIGHT", "%d", AT_ONCE);
    child_set(&settings, "KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "%d",
              acts->killed_ms ? SECOND_SESSION_MS : FIRST_SESSION_MS);
    return child_start(&acts->restarted, words, &settings, -1, err);
}

/** An event of it arrives, and its answer takes a while: at this moment it is under way. */
static void arrived(void *ctx, const struct demo_seen *seen)
{
    struct acts *acts = ctx;
    if (acts->phase[ACT_RESTART] != UNTIL_KILLED || seen->requests > 1 || ++acts->arrived < RESTART_KILLED_AT)
        return;
    child_kill(&acts->restarted);
    acts->killed_ms = clock_monotonic_ms(clock_system());
    acts->told = acts_succeeded(acts, RUNS, EVENTS);
    acts->phase[ACT_RESTART] = UNTIL_DELIVERED;
}

int act_restart_begin(struct acts *acts, struct error *err)
{
    const struct demo_event event = {.run_id = RUNS,
                                     .org = DEMO_RESTARTED_ORG,
                                     .method = "POST",
                                     .path = DEMO_WORK_PATH,
                                     .synchronized = true,
                                     .agent = true};
    acts->world->arrived = arrived;
    acts->world->arrived_ctx = acts;
    int failed = start_agent_again(acts, err);
    return failed ? failed : acts_produce(acts, event, EVENTS, err);
}

void act_restart_go_on(struct acts *acts)
{
    struct error err = {0};
    int failed = 0;
    if (acts->phase[ACT_RESTART] == UNTIL_DELIVERED && acts->restarted.ended &&
        clock_monotonic_ms(clock_system()) >= acts->killed_ms + REST_MS)
        failed = start_agent_again(acts, &err);
    if (failed)
        acts_fail(acts, &err);
    acts->over[ACT_RESTART] = acts->phase[ACT_RESTART] == UNTIL_DELIVERED && acts->restarted.pid > 0 &&
                              acts_succeeded(acts, RUNS, EVENTS) == EVENTS;
}

/** Of those that arrived more than once: how many, and that their keys were the same each time. */
static unsigned repeated(const struct acts *acts, bool *same_keys)
{
    char name[NAME_SIZE];
    unsigned count = 0;
    for (unsigned i = 1; i <= EVENTS; i++) {
        snprintf(name, sizeof name, "%s_%u", RUNS, i);
        const struct demo_seen *seen = demo_seen(acts->world, slice_of(name));
        count += seen->requests > 1;
        *same_keys = *same_keys && !seen->other_key;
    }
    return count;
}

void act_restart_print(struct acts *acts)
{
    char sentence[240];
    struct buffer members = {0};
    bool same_keys = true;
    unsigned twice = repeated(acts, &same_keys), under_way = acts->arrived - acts->told;
    unsigned delivered = acts_succeeded(acts, RUNS, EVENTS);
    buffer_appendf(&members,
                   "\"events\":%d,\"reported_before\":%u,\"under_way\":%u,\"delivered\":%u,\"lost\":%u,"
                   "\"repeated\":%u,\"same_idempotency_key\":%s",
                   EVENTS, acts->told, under_way, delivered, EVENTS - delivered, twice,
                   same_keys ? "true" : "false");
    demo_object(acts->show, "kill", &members);
    demo_say(acts->show, "\nkill -9. %d events went to an endpoint that takes its time:\n\n", EVENTS);
    snprintf(sentence, sizeof sentence,
             "%u events were delivered and reported to Port, %u were under way, %u had not begun", acts->told,
             under_way, EVENTS - acts->arrived);
    demo_row(acts->show, "agent killed", sentence);
    snprintf(sentence, sizeof sentence, "all %d are delivered and reported to Port, none is lost", EVENTS);
    demo_row(acts->show, "agent started again", sentence);
    snprintf(sentence, sizeof sentence,
             "%u events that were under way, or done a moment before, each with the same Idempotency-Key "
             "both times",
             twice);
    demo_row(acts->show, "came twice", twice > 0 ? sentence : "none");
    if (!same_keys)
        demo_problem(acts->show, "kill -9: an event came with two Idempotency-Keys");
}
