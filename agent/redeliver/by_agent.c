/* See by_agent.h. The agent is asked for each record, and then for its outcome, over its Unix socket. */
#include "by_agent.h"
#include "agent/commands.h"
#include "agent/record_outcome.h"
#include "base/clock.h"
#include "base/json_tree.h"
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    /** At a time: the agent holds the outcomes of 32. */
    HANDED_OVER = 16,
    PAUSE_MS = 100,
    /** Without news until it is said that something waits. */
    PATIENCE_MS = 5000
};

enum handing { TO_ASK, ASKED, ENDED };

struct by_agent {
    const struct config *config;
    const struct command_usage *usage;
    bool json;
    const struct record_place *places;
    enum handing *handing;
    size_t count, under_way, ended, *delivered;
    /** The words of the agent that refuses for now; "": it does not. */
    char refusal[160];
    int64_t news_ms;
};

static int ask_of(const struct by_agent *by, const char *method, const char *path, size_t i,
                  struct answer *answer)
{
    char target[48];
    struct buffer full = {0};
    snprintf(target, sizeof target, "%d:%lld", (int)by->places[i].partition, (long long)by->places[i].offset);
    ask_path(&full, path, target);
    const struct question question = {.method = method, .path = buffer_text(&full)};
    int code = ask_agent(by->config, by->usage, &question, answer);
    buffer_clear(&full);
    return code;
}

/* Outcomes */

static struct slice text_member(const cJSON *json, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, name));
    return slice_of(text ? text : "");
}

static int64_t number(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

static void print_outcome(struct by_agent *by, size_t i, struct record_outcome outcome)
{
    outcome.topic = outcome.topic.len > 0 ? outcome.topic : slice_of(by->config->runs_topic);
    outcome.partition = by->places[i].partition;
    outcome.offset = by->places[i].offset;
    *by->delivered += record_outcome_print(&outcome, by->json);
    by->handing[i] = ENDED;
    by->ended++;
}

static void print_unsent(struct by_agent *by, size_t i, const char *why)
{
    print_outcome(by, i, (struct record_outcome){.name = SLICE_LITERAL("unsent"), .reason = slice_of(why)});
}

static void read_outcome(struct by_agent *by, size_t i, struct slice body)
{
    cJSON *json = json_tree(body, NULL);
    const struct record_outcome outcome = {.topic = text_member(json, "topic"),
                                           .run_id = text_member(json, "run_id"),
                                           .name = text_member(json, "outcome"),
                                           .status = (int)number(json, "status"),
                                           .duration_ms = number(json, "duration_ms"),
                                           .reason = text_member(json, "reason")};
    if (json)
        print_outcome(by, i, outcome);
    else
        print_unsent(by, i, "the agent's word on it cannot be read");
    cJSON_Delete(json);
}

static void note_refusal(struct by_agent *by, const struct answer *answer)
{
    struct slice words = slice_strip(buffer_slice(&answer->body));
    slice_copy_cut(words, by->refusal, sizeof by->refusal);
}

/** What became of a record that the agent has. */
static int ask_for_outcome(struct by_agent *by, size_t i)
{
    struct answer answer = {0};
    int code = ask_of(by, "GET", "/redelivery", i, &answer);
    bool under_way = code != EXIT_CODE_OK || answer.status == 202;
    if (!under_way) {
        by->under_way--;
        if (answer.status == 200) {
            read_outcome(by, i, buffer_slice(&answer.body));
        } else if (answer.status == 503) {
            by->handing[i] = TO_ASK;
            note_refusal(by, &answer);
        } else {
            print_unsent(by, i, "the agent knows nothing of it: it was started anew meanwhile");
        }
    }
    buffer_clear(&answer.body);
    return code;
}

/* Handing over */

static int give_to_agent(struct by_agent *by, size_t i)
{
    struct answer answer = {0};
    int code = ask_of(by, "POST", "/redeliver", i, &answer);
    if (code == EXIT_CODE_OK && answer.status == 202) {
        by->handing[i] = ASKED;
        by->under_way++;
    } else if (code == EXIT_CODE_OK && answer.status == 503) {
        note_refusal(by, &answer);
    } else if (code == EXIT_CODE_OK && answer.status == 409) {
        print_unsent(by, i, "it is being delivered once more already");
    } else if (code == EXIT_CODE_OK && (answer.status == 404 || answer.status == 501)) {
        code = BY_AGENT_CANNOT;
    } else if (code == EXIT_CODE_OK) {
        note_refusal(by, &answer);
        fprintf(stderr, "port-agent %s: %s\n", by->usage->command, by->refusal);
        code = EXIT_CODE_FAILURE;
    }
    buffer_clear(&answer.body);
    return code;
}

static int go_round(struct by_agent *by)
{
    int code = EXIT_CODE_OK;
    *by->refusal = '\0';
    for (size_t i = 0; code == EXIT_CODE_OK && i < by->count; i++)
        if (by->handing[i] == ASKED)
            code = ask_for_outcome(by, i);
    for (size_t i = 0; code == EXIT_CODE_OK && i < by->count; i++)
        if (by->handing[i] == TO_ASK && by->under_way < HANDED_OVER && !*by->refusal)
            code = give_to_agent(by, i);
    return code;
}

static void say_waiting(struct by_agent *by)
{
    int64_t now_ms = clock_monotonic_ms(clock_system());
    if (now_ms - by->news_ms < PATIENCE_MS)
        return;
    by->news_ms = now_ms;
    fprintf(stderr,
            "port-agent %s: %zu of %zu left%s%s; 'port-agent run-status RUN_ID' says what a run waits for\n",
            by->usage->command, by->count - by->ended, by->count, *by->refusal ? ": " : "", by->refusal);
}

int by_agent_deliver(const struct config *config, const struct command_usage *usage, bool json,
                     const struct record_place *places, size_t count, size_t *delivered)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};
    struct by_agent by = {.config = config,
                          .usage = usage,
                          .json = json,
                          .places = places,
                          .handing = calloc(count, sizeof *by.handing),
                          .count = count,
                          .delivered = delivered,
                          .news_ms = clock_monotonic_ms(clock_system())};
    int code = by.handing ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    while (code == EXIT_CODE_OK && by.ended < count) {
        size_t ended = by.ended;
        code = go_round(&by);
        if (by.ended > ended)
            by.news_ms = clock_monotonic_ms(clock_system());
        else if (code == EXIT_CODE_OK)
            nanosleep(&pause, NULL);
        say_waiting(&by);
    }
    /* What was handed over goes on in any case: nothing of it may be done a second time here. */
    if (code == BY_AGENT_CANNOT && by.under_way + by.ended > 0)
        code = EXIT_CODE_FAILURE;
    free(by.handing);
    return code;
}
