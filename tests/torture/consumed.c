/* Records that a consumer takes from Kafka: everything from its opening to its closing meets the failure, and
 * then another consumer comes, as a supervisor would start it. The first record is not answered until the one
 * after it is committed, so that the commit needs a note. */
#include "agent.h"
#include "brokers.h"
#include "memory.h"
#include "torture.h"

enum { RECORDS = 3, HELD = 0, BESIDE = 1, AFTER = 2 };

struct round {
    struct torture *torture;
    struct agent *agent;
    struct sample samples[RECORDS];
    struct given given[RECORDS], again[RECORDS];
    int64_t first; /* offset of the first record */
};

static void produce(struct round *round, size_t which, size_t serial)
{
    struct torture *torture = round->torture;
    struct kind kind = *torture->kind;
    if (which == HELD)
        kind.endpoint = "held";
    sample_write(&kind, torture->outside, serial, &round->samples[which]);
    int64_t offset = brokers_produce(torture->brokers, slice_of(round->samples[which].value));
    if (which == HELD)
        round->first = offset;
}

static bool is_settled(const struct given *given)
{
    return given->done + given->dropped > 0;
}

/* What is waited for */

static bool one_is_committed(const void *ctx)
{
    const struct round *round = ctx;
    const struct given *given = round->given;
    return given[BESIDE].dropped || (given[BESIDE].done && agent_commits(round->agent) > 0);
}

static bool both_are_settled(const void *ctx)
{
    const struct round *round = ctx;
    return is_settled(&round->given[HELD]) && is_settled(&round->given[BESIDE]);
}

static bool all_are_done(const void *ctx)
{
    const struct round *round = ctx;
    for (size_t i = 0; i < RECORDS; i++)
        if (round->given[i].done + round->again[i].done == 0)
            return false;
    return true;
}

static bool all_are_committed(const void *ctx)
{
    const struct round *round = ctx;
    return brokers_committed(round->torture->brokers) == round->first + RECORDS;
}

/* The two consumers */

static void open_agent(struct round *round)
{
    const struct torture *torture = round->torture;
    round->agent = agent_open(torture->kind, torture->outside, torture->letters);
}

static void close_agent(struct round *round)
{
    if (!agent_close(round->agent))
        complain(round->torture->progress, "something was left on the loop", NULL);
}

/** NULL, or what is wrong that memory does not excuse. */
static const char *consume_failing(struct round *round)
{
    struct torture *torture = round->torture;
    const char *trouble = NULL;
    open_agent(round);
    memory_arm(torture->progress->n, torture->progress->more);
    /* One that cannot be opened, or gives up, ends the agent: the next one gets everything. */
    if (agent_consume(round->agent, brokers_address(torture->brokers), round->first, round->given)) {
        trouble = agent_run_until(round->agent, one_is_committed, round);
        outside_release(torture->outside);
        if (!trouble)
            trouble = agent_run_until(round->agent, both_are_settled, round);
    }
    outside_release(torture->outside);
    close_agent(round);
    return trouble == agent_gave_up ? NULL : trouble;
}

static const char *consume_rest(struct round *round)
{
    struct torture *torture = round->torture;
    open_agent(round);
    if (!agent_consume(round->agent, brokers_address(torture->brokers), round->first, round->again))
        return "no consumer though memory is there";
    const char *trouble = agent_run_until(round->agent, all_are_done, round);
    if (!trouble)
        trouble = agent_run_until(round->agent, all_are_committed, round);
    close_agent(round);
    return trouble;
}

static void expect_none_lost(const struct round *round, bool failed)
{
    for (size_t i = 0; i < RECORDS; i++) {
        const char *wrong = verdict(round->torture, &round->samples[i], !failed || i == AFTER);
        if (wrong)
            complain(round->torture->progress, "a record is lost", wrong);
        if (!failed && round->given[i].dropped)
            complain(round->torture->progress, "a record was dropped though nothing failed", NULL);
    }
}

bool torture_consumed(struct torture *torture)
{
    static size_t serial;
    struct progress *progress = torture->progress;
    struct round round = {.torture = torture};
    outside_reset(torture->outside);
    produce(&round, HELD, ++serial);
    produce(&round, BESIDE, ++serial);
    const char *trouble = consume_failing(&round);
    progress->counted = memory_count();
    bool failed = memory_disarm();
    if (trouble)
        complain(progress, trouble, NULL);
    produce(&round, AFTER, ++serial);
    if ((trouble = consume_rest(&round)) != NULL)
        complain(progress, "with the consumer after it", trouble);
    expect_none_lost(&round, failed);
    verdict_clear(torture);
    return failed;
}
