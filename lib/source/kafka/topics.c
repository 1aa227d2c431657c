/* DescribeTopics where librdkafka has it (2.3 or later), and metadata requests. */
#include "source/kafka/topics.h"
#include <string.h>

#if TOPIC_IDS

static void id_read(const rd_kafka_TopicDescription_t *topic, struct topic_id *id)
{
    const rd_kafka_error_t *error = rd_kafka_TopicDescription_error(topic);
    const rd_kafka_Uuid_t *uuid = rd_kafka_TopicDescription_topic_id(topic);
    if ((error && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR_NO_ERROR) || !uuid)
        return;
    uint64_t halves[2] = {(uint64_t)rd_kafka_Uuid_most_significant_bits(uuid),
                          (uint64_t)rd_kafka_Uuid_least_significant_bits(uuid)};
    for (size_t i = 0; i < TOPIC_ID_BYTES; i++)
        id->bytes[i] = (unsigned char)(halves[i / 8] >> (8 * (7 - i % 8)));
    id->known = halves[0] != 0 || halves[1] != 0; /* all zero: the broker has none */
}

static void ids_read(rd_kafka_event_t *event, const char *const names[TOPICS], struct topic_id ids[TOPICS])
{
    const rd_kafka_DescribeTopics_result_t *result = rd_kafka_event_DescribeTopics_result(event);
    size_t count = 0;
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR || !result)
        return;
    const rd_kafka_TopicDescription_t **topics = rd_kafka_DescribeTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t name = 0; name < TOPICS; name++)
            if (strcmp(rd_kafka_TopicDescription_name(topics[i]), names[name]) == 0)
                id_read(topics[i], &ids[name]);
}

void topic_ids_query(rd_kafka_t *rk, const char *const names[TOPICS], int timeout_ms,
                     struct topic_id ids[TOPICS])
{
    char reason[128];
    const char *asked[TOPICS] = {names[0], names[1]};
    memset(ids, 0, TOPICS * sizeof *ids);
    rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(asked, TOPICS);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, reason, sizeof reason);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DescribeTopics(rk, topics, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    if (event) {
        ids_read(event, names, ids);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_TopicCollection_destroy(topics);
}

#else

void topic_ids_query(rd_kafka_t *rk, const char *const names[TOPICS], int timeout_ms,
                     struct topic_id ids[TOPICS])
{
    (void)rk;
    (void)names;
    (void)timeout_ms;
    memset(ids, 0, TOPICS * sizeof *ids);
}

#endif

/** What the cluster says of one topic, to be destroyed; NULL with the cause. */
static const struct rd_kafka_metadata *query(rd_kafka_t *rk, const char *name, int timeout_ms,
                                             rd_kafka_resp_err_t *code)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    if (!topic) {
        *code = rd_kafka_last_error();
        return NULL;
    }
    *code = rd_kafka_metadata(rk, 0, topic, &metadata, timeout_ms);
    rd_kafka_topic_destroy(topic);
    return *code == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata : NULL;
}

rd_kafka_resp_err_t topic_error_query(rd_kafka_t *rk, const char *name, int timeout_ms)
{
    rd_kafka_resp_err_t code;
    const struct rd_kafka_metadata *metadata = query(rk, name, timeout_ms, &code);
    if (!metadata)
        return code;
    code = metadata->topic_cnt > 0 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(metadata);
    return code;
}

rd_kafka_resp_err_t topic_partitions_query(rd_kafka_t *rk, const char *name, int timeout_ms, int *count)
{
    rd_kafka_resp_err_t code;
    const struct rd_kafka_metadata *metadata = query(rk, name, timeout_ms, &code);
    *count = 0;
    if (!metadata)
        return code;
    if (metadata->topic_cnt > 0 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR)
        *count = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}
