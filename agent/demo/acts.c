/* See acts.h. */
#include "acts.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NAME_SIZE = 32, SAID_SHOWN = 2048 };

static const struct {
    const char *what;
    int (*begin)(struct acts *acts, struct error *err);
    void (*go_on)(struct acts *acts), (*print)(struct acts *acts);
} acting[ACTS] = {
    [ACT_MAPPING] = {"the mapping", act_mapping_begin, act_mapping_go_on, act_mapping_print},
    [ACT_BREAKER] = {"the breaker", act_breaker_begin, act_breaker_go_on, act_breaker_print},
    [ACT_LETTER] = {"the dead letter", act_letter_begin, act_letter_go_on, act_letter_print},
    [ACT_RESTART] = {"kill -9", act_restart_begin, act_restart_go_on, act_restart_print},
};

/* What several of them do */

static const char *numbered(char name[NAME_SIZE], const char *run_id, unsigned number)
{
    snprintf(name, NAME_SIZE, "%s_%u", run_id, number);
    return name;
}

int acts_produce(struct acts *acts, struct demo_event event, unsigned count, struct error *err)
{
    const char *run_id = event.run_id;
    char name[NAME_SIZE];
    int failed = 0;
    for (unsigned i = 1; i <= count && !failed; i++) {
        event.run_id = numbered(name, run_id, i);
        failed = demo_produce(acts->world, &event, err);
    }
    return failed;
}

void acts_fail(struct acts *acts, const struct error *err)
{
    demo_problem(acts->show, "%s", err->message);
    acts->failed = true;
}

unsigned acts_succeeded(const struct acts *acts, const char *run_id, unsigned count)
{
    char name[NAME_SIZE];
    unsigned succeeded = 0;
    for (unsigned i = 1; i <= count; i++)
        succeeded +=
            strcmp(demo_seen(acts->world, slice_of(numbered(name, run_id, i)))->status, "SUCCESS") == 0;
    return succeeded;
}

/* All of them */

void acts_start(struct acts *acts, struct demo_world *world, struct demo_show *show)
{
    struct error err = {0};
    *acts = (struct acts){.world = world, .show = show, .mapping_file = -1};
    children_adopt();
    for (size_t i = 0; i < ACTS && !acts->failed; i++) {
        if (acting[i].begin(acts, &err) == 0)
            continue;
        demo_problem(show, "mapping, breaker, dead letter and kill -9 are left out: %s", err.message);
        acts->failed = true;
    }
}

/** The end of what it said. */
static struct slice last_words(const struct child *child)
{
    struct slice said = buffer_slice(&child->said);
    size_t cut = said.len > SAID_SHOWN ? said.len - SAID_SHOWN : 0;
    return (struct slice){said.ptr + cut, said.len - cut};
}

/** Tells its last words, where it ended otherwise than with the code that is expected now (-1: with none). */
static void note_end(struct acts *acts, struct child *child, int expected)
{
    bool ran = child->pid > 0;
    child_look(child);
    if (!ran || !child->ended || child->exit_code == expected)
        return;
    demo_problem(acts->show,
                 "an agent in a process of its own ended with exit code %d; it said:", child->exit_code);
    demo_block(acts->show, last_words(child));
    acts->failed = true;
}

static void note_ends(struct acts *acts)
{
    bool agent_done = acts->over[ACT_MAPPING] && acts->over[ACT_BREAKER];
    bool killed = acts->killed_ms > 0;
    note_end(acts, &acts->agent, agent_done ? 0 : -1);
    note_end(acts, &acts->restarted, acts->over[ACT_RESTART] ? 0 : killed ? 128 + SIGKILL : -1);
    if (agent_done)
        child_stop(&acts->agent);
    if (acts->over[ACT_RESTART])
        child_stop(&acts->restarted);
}

void acts_go_on(struct acts *acts, bool script_over)
{
    acts->script_over = script_over;
    note_ends(acts);
    for (size_t i = 0; i < ACTS && !acts->failed; i++)
        if (!acts->over[i])
            acting[i].go_on(acts);
    while (script_over && !acts->failed && acts->printed < ACTS && acts->over[acts->printed])
        acting[acts->printed++].print(acts);
}

bool acts_over(const struct acts *acts)
{
    bool left = acts->agent.pid > 0 || acts->restarted.pid > 0 || acts->replay.pid > 0;
    return acts->failed || (acts->printed == ACTS && !left);
}

void acts_tell_missing(struct acts *acts)
{
    const struct child *const of[ACTS] = {
        [ACT_MAPPING] = &acts->agent,
        [ACT_BREAKER] = &acts->agent,
        [ACT_LETTER] = &acts->replay,
        [ACT_RESTART] = &acts->restarted,
    };
    for (size_t i = 0; i < ACTS; i++) {
        if (acts->over[i])
            continue;
        demo_problem(acts->show, "%s: not over; its process said:", acting[i].what);
        demo_block(acts->show, last_words(of[i]));
    }
}

void acts_close(struct acts *acts)
{
    child_end(&acts->agent);
    child_end(&acts->restarted);
    child_end(&acts->replay);
    if (acts->mapping_file > 0)
        close(acts->mapping_file);
    if (acts->world)
        acts->world->arrived = NULL;
    if (acts->show && !children_gone())
        demo_problem(acts->show, "a process is left behind");
    *acts = (struct acts){0};
}
