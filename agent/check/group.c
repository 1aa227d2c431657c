/* See group.h. Nothing here fails: a group that is full, or far behind, is for a person to judge. */
#include "group.h"
#include <inttypes.h>
#include <string.h>

enum { MEMBERS_SHOWN = 8, PLACES_SHOWN = 8 };

static const char AREA[] = "Kafka";
/** What every Kafka client of the agent's calls itself (kafka/connection.c). */
static const char OUR_CLIENT[] = "port-agent";

static const char *plural(int64_t count)
{
    return count == 1 ? "" : "s";
}

/* Members */

/** How many members can hold something at the same time. Shared out by range, each topic's partitions go to
 * the first members; in other ways all partitions are in one pile. */
static size_t seats(const struct group_probe *probe)
{
    size_t of_topic[TOPICS] = {0};
    for (size_t i = 0; i < probe->place_count; i++)
        of_topic[probe->places[i].topic]++;
    size_t larger = of_topic[0] > of_topic[1] ? of_topic[0] : of_topic[1];
    return strcmp(probe->protocol, "range") == 0 ? larger : of_topic[0] + of_topic[1];
}

static void append_members(struct group_probe *probe, struct buffer *out)
{
    for (size_t i = 0; i < probe->member_count && i < MEMBERS_SHOWN; i++) {
        struct group_member *member = &probe->members[i];
        buffer_appendf(out, "%s%s at %s holds ", i > 0 ? "; " : "", buffer_text(&member->client_id),
                       buffer_text(&member->host));
        buffer_append_text(out, member->held > 0 ? buffer_text(&member->holds) : "nothing");
    }
    if (probe->member_count > MEMBERS_SHOWN)
        buffer_appendf(out, "; and %zu others", probe->member_count - MEMBERS_SHOWN);
}

static struct group_member *find_stranger(struct group_probe *probe)
{
    for (size_t i = 0; i < probe->member_count; i++)
        if (strcmp(buffer_text(&probe->members[i].client_id), OUR_CLIENT) != 0)
            return &probe->members[i];
    return NULL;
}

static void say_members(struct check_step *step, struct group_probe *probe)
{
    struct group_member *stranger = find_stranger(probe);
    size_t count = probe->member_count;
    buffer_appendf(&step->detail, "the group is %s and has %zu member%s: ", probe->state, count,
                   plural((int64_t)count));
    append_members(probe, &step->detail);
    if (strstr(probe->state, "Rebalance"))
        buffer_append_text(check_hint(step),
                           "partitions are being shared out anew: look again in a few seconds");
    else if (count >= seats(probe)) {
        step->verdict = CHECK_WARNING;
        buffer_append_text(check_hint(step),
                           "the members hold all partitions: one more agent would get none until one of them "
                           "leaves. If they are the agents that should run, all is well; else stop them, or "
                           "set KAFKA_CONSUMER_GROUP_ID to a group of your own");
    }
    if (stranger) {
        step->verdict = CHECK_WARNING;
        buffer_appendf(check_hint(step),
                       "%s at %s is another program than this one: it gets a share of the runs as long as it "
                       "is in the group; stop it where it is to be replaced",
                       buffer_text(&stranger->client_id), buffer_text(&stranger->host));
    }
}

static void members_step(struct check_steps *steps, struct group_probe *probe)
{
    struct check_step *step = check_begin(steps, AREA, "group members", CHECK_OK);
    if (probe->silent) {
        step->verdict = CHECK_SKIPPED;
        buffer_appendf(&step->detail, "the brokers do not say who is in the group: %s", probe->silent);
    } else if (probe->member_count > 0) {
        say_members(step, probe);
    } else {
        buffer_append_text(&step->detail,
                           *probe->state
                               ? "nobody is in the group: an agent that starts gets all partitions"
                               : "there is no such group yet: the first agent that starts makes it, "
                                 "and gets all partitions");
    }
    check_end(steps, step);
}

/* How far a topic is read */

/** Of one topic. */
struct topic_lag {
    const struct group_place *places;
    size_t count;
    /** Records that an agent would be given, and those that are there. */
    int64_t lag, there;
    /** Partitions whose ends were not told; without a committed offset; whose next records are gone; whose
     * committed offset is not of this log. */
    size_t unknown, fresh, cut, strange;
    /** Records that are gone. */
    int64_t gone;
};

static void add_place(const struct group_place *place, struct topic_lag *lag)
{
    lag->fresh += place->committed < 0;
    if (place->end < 0) {
        lag->unknown++;
        return;
    }
    lag->lag += place->end - place->begins;
    lag->there += place->end - place->first;
    if (place->committed < 0)
        return;
    if (place->reason == START_MADE_ANEW || place->committed > place->end) {
        lag->strange++;
    } else if (place->committed < place->first) {
        lag->cut++;
        lag->gone += place->first - place->committed;
    }
}

static struct topic_lag lag_of(const struct group_probe *probe, int topic)
{
    struct topic_lag lag = {.places = probe->places};
    size_t begin = 0;
    while (begin < probe->place_count && probe->places[begin].topic != topic)
        begin++;
    lag.places += begin;
    for (size_t i = begin; i < probe->place_count && probe->places[i].topic == topic; i++, lag.count++)
        add_place(&probe->places[i], &lag);
    return lag;
}

static void append_place(const struct group_place *place, struct buffer *out)
{
    if (place->end < 0) {
        buffer_appendf(out, "partition %d: its end was not told in time", (int)place->number);
        return;
    }
    buffer_appendf(out, "partition %d: %" PRId64 " (", (int)place->number, place->end - place->begins);
    if (place->committed < 0)
        buffer_append_text(out, "nothing committed");
    else
        buffer_appendf(out, "committed %" PRId64, place->committed);
    buffer_appendf(out, ", end %" PRId64 ")", place->end);
}

static void append_places(const struct topic_lag *lag, struct buffer *out)
{
    size_t told = 0, left = 0;
    for (size_t i = 0; i < lag->count; i++) {
        const struct group_place *place = &lag->places[i];
        if (place->end >= 0 && place->end == place->begins)
            continue;
        if (told == PLACES_SHOWN) {
            left++;
            continue;
        }
        buffer_append_text(out, told++ == 0 ? ": " : "; ");
        append_place(place, out);
    }
    if (left > 0)
        buffer_appendf(out, "; and %zu other partition%s", left, plural((int64_t)left));
}

/** Where nobody has committed an offset: where an agent begins. */
static const char *beginning_of(enum start_reason reason, bool latest)
{
    switch (reason) {
    case START_TAKEN_OVER:
        return "an agent begins at the end: whoever used the group before has never read this topic";
    case START_GROUP_BEGAN:
        return "an agent begins where the topic ended when the group began";
    case START_GROUP_NEW:
        return latest ? "an agent begins at the end, and what is there is never delivered: "
                        "KAFKA_CONSUMER_AUTO_OFFSET_RESET is latest"
                      : "an agent begins at the earliest record, and delivers what is there: "
                        "KAFKA_CONSUMER_AUTO_OFFSET_RESET is earliest";
    case START_COMMITTED:
    case START_MADE_ANEW:
    case START_APPEARED:
        break;
    }
    return "an agent begins at the earliest record: the topic came after the group";
}

static void lag_step(struct check_steps *steps, const struct config *config, const char *name,
                     const char *topic, const struct topic_lag *lag)
{
    bool latest = strcmp(config->auto_offset_reset, "latest") == 0;
    bool odd = lag->unknown > 0 || lag->cut > 0 || lag->strange > 0;
    struct check_step *step = check_begin(steps, AREA, name, odd ? CHECK_WARNING : CHECK_OK);
    buffer_appendf(&step->detail, "%s: ", topic);
    if (lag->fresh == lag->count) {
        buffer_appendf(&step->detail, "nobody has committed an offset yet; %" PRId64 " record%s there",
                       lag->there, lag->there == 1 ? " is" : "s are");
        buffer_appendf(check_hint(step), "%s", beginning_of(lag->places[0].reason, latest));
    } else {
        buffer_appendf(&step->detail, "%" PRId64 " record%s beyond the committed offsets", lag->lag,
                       plural(lag->lag));
        append_places(lag, &step->detail);
    }
    if (lag->unknown > 0)
        buffer_appendf(check_hint(step),
                       "the ends of %zu partition%s were not told in time: try a longer --timeout",
                       lag->unknown, plural((int64_t)lag->unknown));
    if (lag->cut > 0)
        buffer_appendf(check_hint(step),
                       "%" PRId64 " record%s gone before anybody committed them: the topic keeps records for "
                       "less time than the group was away",
                       lag->gone, lag->gone == 1 ? " was" : "s were");
    if (lag->strange > 0)
        buffer_append_text(check_hint(step),
                           "committed offsets belong to a topic that is no longer there: an agent "
                           "begins at the earliest record of the present one");
    check_end(steps, step);
}

void group_steps(struct check_steps *steps, const struct config *config, struct group_probe *probe)
{
    static const char *const names[TOPICS] = {"runs lag", "change-log lag"};
    const char *const topics[TOPICS] = {config->runs_topic, config->change_log_topic};
    members_step(steps, probe);
    for (int topic = 0; topic < TOPICS; topic++) {
        struct topic_lag lag = lag_of(probe, topic);
        if (lag.count > 0)
            lag_step(steps, config, names[topic], topics[topic], &lag);
    }
}
