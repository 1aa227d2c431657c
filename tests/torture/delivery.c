/* A record that is handed over, or polled. */
#include "agent.h"
#include "memory.h"
#include "torture.h"

static void expect_settled(const struct torture *torture, const char *trouble)
{
    if (trouble)
        complain(torture->progress, trouble, NULL);
}

bool torture_delivery(struct torture *torture)
{
    static size_t serial; /* a late request of one time must not count for the next */
    struct progress *progress = torture->progress;
    struct sample first, second;
    struct given given, after;
    const char *wrong;
    serial += 2;
    outside_reset(torture->outside);
    struct agent *agent = agent_open(torture->kind, torture->outside, torture->letters);
    sample_write(torture->kind, torture->outside, serial, &first);
    sample_write(torture->kind, torture->outside, serial + 1, &second);
    memory_arm(progress->n, progress->more);
    agent_give(agent, torture->outside, &first, serial, &given);
    const char *trouble = agent_run_until_settled(agent, &given);
    progress->counted = memory_count();
    bool failed = memory_disarm();
    expect_settled(torture, trouble);
    if (given.dropped && !failed)
        complain(progress, "the record was dropped though nothing failed", NULL);
    if (given.done && (wrong = verdict(torture, &first, !failed)) != NULL)
        complain(progress, "the record is lost", wrong);
    agent_give(agent, torture->outside, &second, serial + 1, &after);
    expect_settled(torture, agent_run_until_settled(agent, &after));
    if (!after.done || (wrong = verdict(torture, &second, true)) != NULL)
        complain(progress, "the record after it is not delivered as it should be",
                 after.done ? wrong : "dropped");
    if (!agent_close(agent))
        complain(progress, "something was left on the loop", NULL);
    verdict_clear(torture);
    return failed;
}
