/* Committed offsets, the ends of the partitions and the group's members, one question after the other. Where
 * an agent would begin is decided as the agent decides it (source/kafka/start.h). */
#include "group_probe.h"
#include "source/kafka/group.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANGES_SHOWN = 16 };

struct asking {
    rd_kafka_t *client;
    const struct kafka_consumer_options *options;
    const char *topics[TOPICS];
    int timeout_ms;
    struct group_probe *out;
};

/* Offsets */

static rd_kafka_topic_partition_list_t *list_places(const struct asking *asking, const int partitions[TOPICS])
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (int topic = 0; topic < TOPICS; topic++)
        for (int32_t number = 0; number < partitions[topic]; number++)
            rd_kafka_topic_partition_list_add(list, asking->topics[topic], number);
    return list;
}

static rd_kafka_resp_err_t read_offsets(const struct asking *asking, rd_kafka_topic_partition_list_t *list)
{
    /* Reading offsets takes the same permission as consuming in the group, and joins nobody. */
    rd_kafka_resp_err_t code = rd_kafka_committed(asking->client, list, asking->timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        code = list->elems[i].err;
    return code;
}

/** Of each partition, as long as there is time. */
static void read_ends(const struct asking *asking)
{
    int64_t deadline_ms = clock_monotonic_ms(asking->options->clock) + asking->timeout_ms;
    for (size_t i = 0; i < asking->out->place_count; i++) {
        struct group_place *place = &asking->out->places[i];
        int64_t left_ms = deadline_ms - clock_monotonic_ms(asking->options->clock);
        if (left_ms <= 0 || rd_kafka_query_watermark_offsets(asking->client, asking->topics[place->topic],
                                                             place->number, &place->first, &place->end,
                                                             (int)left_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
            place->first = place->end = -1;
    }
}

static void find_beginning(struct group_place *place, const struct start_question *question, bool anew)
{
    place->begins = place->committed;
    place->reason = START_COMMITTED;
    if (place->committed < 0)
        place->reason = start_without_offset(question, place->topic == 1, place->number, &place->begins);
    else if (anew)
        place->reason = START_MADE_ANEW;
    if (place->end < 0) {
        place->begins = -1;
        return;
    }
    bool lost = place->begins < place->first || place->begins > place->end;
    if (start_at_end(place->reason, question->latest))
        place->begins = place->end;
    else if (place->reason != START_COMMITTED && place->reason != START_GROUP_BEGAN)
        place->begins = place->first;
    else if (lost) /* librdkafka's auto.offset.reset, which is not the setting's (conf.c) */
        place->begins = place->first;
}

static void find_beginnings(const struct asking *asking, const rd_kafka_topic_partition_list_t *list)
{
    struct topic_id ids[TOPICS] = {{.known = false}};
    struct first_start first = {0};
    struct start_question question = {.latest = strcmp(asking->options->auto_offset_reset, "latest") == 0,
                                      .first = &first};
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        if (element->offset < 0)
            continue;
        question.offsets = true;
        start_learn(&first, (struct slice){element->metadata, element->metadata_size}, element->offset);
    }
    if (question.offsets) /* which may belong to topics that are gone */
        topic_ids_query(asking->client, asking->topics, asking->timeout_ms, ids);
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        struct group_place *place = &asking->out->places[i];
        struct facts facts;
        facts_read((struct slice){element->metadata, element->metadata_size}, &facts);
        find_beginning(place, &question, topic_id_differs(&facts.topic, &ids[place->topic]));
    }
}

/* Members */

/** What a member holds, as text: "org.runs 0-2, 5; org.change.log 0". */
struct holding {
    struct group_member *member;
    /** Of the range that is not written yet. */
    struct slice topic;
    int32_t first, last;
    size_t ranges;
};

static void write_range(struct holding *holding)
{
    struct buffer *out = &holding->member->holds;
    if (holding->ranges == 0)
        return;
    if (holding->ranges > RANGES_SHOWN) {
        if (holding->ranges == RANGES_SHOWN + 1)
            buffer_append_text(out, ", …");
        return;
    }
    buffer_appendf(out, "%d", (int)holding->first);
    if (holding->last > holding->first)
        buffer_appendf(out, "-%d", (int)holding->last);
}

static void member_holds(void *ctx, struct slice topic, int32_t partition)
{
    struct holding *holding = ctx;
    struct buffer *out = &holding->member->holds;
    bool same = holding->ranges > 0 && slice_equal(topic, holding->topic);
    holding->member->held++;
    if (same && partition == holding->last + 1) {
        holding->last = partition;
        return;
    }
    write_range(holding);
    if (++holding->ranges <= RANGES_SHOWN) {
        buffer_append_text(out, holding->ranges == 1 ? "" : same ? ", " : "; ");
        if (!same) {
            buffer_append_one_line(out, topic);
            buffer_append_char(out, ' ');
        }
    }
    holding->topic = topic;
    holding->first = holding->last = partition;
}

static void read_member(const struct rd_kafka_group_member_info *info, struct group_member *member)
{
    struct holding holding = {.member = member};
    buffer_append_one_line(&member->client_id, slice_of(info->client_id));
    buffer_append_one_line(&member->host, slice_of(info->client_host));
    group_assignment_each(info->member_assignment,
                          info->member_assignment_size > 0 ? (size_t)info->member_assignment_size : 0,
                          member_holds, &holding);
    write_range(&holding);
}

static void read_group(const struct rd_kafka_group_info *group, struct group_probe *out)
{
    snprintf(out->state, sizeof out->state, "%s", group->state);
    snprintf(out->protocol, sizeof out->protocol, "%s", group->protocol);
    out->members = calloc((size_t)group->member_cnt + 1, sizeof *out->members);
    if (group->err)
        out->silent = rd_kafka_err2str(group->err);
    else if (!group_is_described(group))
        out->silent = "it has the group protocol of KIP-848 (KAFKA_CONSUMER_GROUP_PROTOCOL: consumer)";
    else if (!out->members)
        out->silent = "out of memory";
    for (int i = 0; !out->silent && i < group->member_cnt; i++)
        read_member(&group->members[i], &out->members[out->member_count++]);
}

static void read_members(const struct asking *asking)
{
    const struct rd_kafka_group_list *list = NULL;
    rd_kafka_resp_err_t code =
        rd_kafka_list_groups(asking->client, asking->options->group_id, &list, asking->timeout_ms);
    bool found = list && list->group_cnt > 0;
    if (found)
        read_group(&list->groups[0], asking->out);
    else if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        asking->out->silent = rd_kafka_err2str(code);
    if (list)
        rd_kafka_group_list_destroy(list);
}

/* All of it */

static rd_kafka_resp_err_t read_all(const struct asking *asking, rd_kafka_topic_partition_list_t *list)
{
    struct group_probe *out = asking->out;
    rd_kafka_resp_err_t code = read_offsets(asking, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return code;
    out->places = calloc((size_t)list->cnt + 1, sizeof *out->places);
    if (!out->places)
        return RD_KAFKA_RESP_ERR__CRIT_SYS_RESOURCE;
    for (; out->place_count < (size_t)list->cnt; out->place_count++) {
        const rd_kafka_topic_partition_t *element = &list->elems[out->place_count];
        out->places[out->place_count] =
            (struct group_place){.topic = strcmp(element->topic, asking->topics[0]) != 0,
                                 .number = element->partition,
                                 .committed = element->offset < 0 ? -1 : element->offset};
    }
    read_ends(asking);
    find_beginnings(asking, list);
    read_members(asking);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t group_probe_run(rd_kafka_t *client, const struct kafka_consumer_options *options,
                                    const int partitions[TOPICS], int timeout_ms, struct group_probe *out)
{
    const struct asking asking = {.client = client,
                                  .options = options,
                                  .topics = {options->runs_topic, options->change_log_topic},
                                  .timeout_ms = timeout_ms,
                                  .out = out};
    *out = (struct group_probe){.silent = NULL};
    rd_kafka_topic_partition_list_t *list = list_places(&asking, partitions);
    rd_kafka_resp_err_t code = read_all(&asking, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

void group_probe_clear(struct group_probe *probe)
{
    for (size_t i = 0; i < probe->member_count; i++) {
        buffer_clear(&probe->members[i].client_id);
        buffer_clear(&probe->members[i].host);
        buffer_clear(&probe->members[i].holds);
    }
    free(probe->members);
    free(probe->places);
    *probe = (struct group_probe){.silent = NULL};
}
