/* Questions of librdkafka's admin interface. Each has a queue of its own, so an answer that comes too late
 * finds nobody. */
#include "topic_probe.h"
#include <stdlib.h>
#include <string.h>

static rd_kafka_AdminOptions_t *question_options(rd_kafka_t *client, rd_kafka_admin_op_t question,
                                                 int32_t broker, int timeout_ms)
{
    char reason[128];
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(client, question);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, reason, sizeof reason);
    if (broker >= 0) /* any may answer, and this one is known to be there */
        rd_kafka_AdminOptions_set_broker(options, broker, reason, sizeof reason);
    return options;
}

/* Configuration */

static bool is_entry(const rd_kafka_ConfigEntry_t *entry, const char *name)
{
    return strcmp(rd_kafka_ConfigEntry_name(entry), name) == 0;
}

static void read_config_entry(const rd_kafka_ConfigEntry_t *entry, struct topic_probe *out)
{
    const char *value = rd_kafka_ConfigEntry_value(entry);
    if (!value)
        return;
    if (is_entry(entry, "retention.ms"))
        out->retention_ms = strtoll(value, NULL, 10);
    else if (is_entry(entry, "retention.bytes"))
        out->retention_bytes = strtoll(value, NULL, 10);
    else if (is_entry(entry, "cleanup.policy"))
        out->compacted = strstr(value, "compact") != NULL;
    else if (is_entry(entry, "max.message.bytes"))
        out->record_bytes = strtoll(value, NULL, 10);
}

static void read_configuration(const rd_kafka_ConfigResource_t *resource, struct topic_probe *out)
{
    size_t count = 0;
    rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(resource);
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    out->silent = code != RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_err2str(code) : NULL;
    for (size_t i = 0; !out->silent && i < count; i++)
        read_config_entry(entries[i], out);
}

static void read_configurations(rd_kafka_event_t *event, const char *topic, struct topic_probe *out)
{
    const rd_kafka_DescribeConfigs_result_t *result = rd_kafka_event_DescribeConfigs_result(event);
    size_t count = 0;
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR || !result) {
        out->silent = rd_kafka_err2str(rd_kafka_event_error(event));
        return;
    }
    const rd_kafka_ConfigResource_t **resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    for (size_t i = 0; i < count; i++) {
        struct topic_probe other = {.record_bytes = 0};
        if (strcmp(rd_kafka_ConfigResource_name(resources[i]), topic) == 0) {
            read_configuration(resources[i], out);
        } else {
            read_configuration(resources[i], &other);
            out->other_record_bytes = other.record_bytes;
        }
    }
}

static void ask_configuration(rd_kafka_t *client, const char *topic, const char *other, int32_t broker,
                              int timeout_ms, struct topic_probe *out)
{
    rd_kafka_ConfigResource_t *asked[2] = {rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic)};
    size_t count = 1;
    if (other)
        asked[count++] = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, other);
    rd_kafka_AdminOptions_t *options =
        question_options(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, broker, timeout_ms);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DescribeConfigs(client, asked, count, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    if (event) {
        read_configurations(event, topic, out);
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy_array(asked, count);
}

/* Permission */

#if TOPIC_OPERATIONS

static void read_operations(rd_kafka_event_t *event, struct topic_probe *out)
{
    const rd_kafka_DescribeTopics_result_t *result = rd_kafka_event_DescribeTopics_result(event);
    size_t topics = 0, count = 0;
    const rd_kafka_TopicDescription_t **topic =
        result ? rd_kafka_DescribeTopics_result_topics(result, &topics) : NULL;
    const rd_kafka_AclOperation_t *operations =
        topics == 1 ? rd_kafka_TopicDescription_authorized_operations(topic[0], &count) : NULL;
    if (!operations) /* an old broker does not say */
        return;
    out->writing = TOPIC_WRITING_REFUSED;
    for (size_t i = 0; i < count; i++)
        if (operations[i] == RD_KAFKA_ACL_OPERATION_WRITE)
            out->writing = TOPIC_WRITING_ALLOWED;
}

static void ask_operations(rd_kafka_t *client, const char *topic, int32_t broker, int timeout_ms,
                           struct topic_probe *out)
{
    rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(&topic, 1);
    rd_kafka_AdminOptions_t *options =
        question_options(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, broker, timeout_ms);
    rd_kafka_error_t *error = rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DescribeTopics(client, topics, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
    if (event) {
        read_operations(event, out);
        rd_kafka_event_destroy(event);
    }
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_TopicCollection_destroy(topics);
}

#else

static void ask_operations(rd_kafka_t *client, const char *topic, int32_t broker, int timeout_ms,
                           struct topic_probe *out)
{
    (void)client;
    (void)topic;
    (void)broker;
    (void)timeout_ms;
    out->writing = TOPIC_WRITING_UNKNOWN;
}

#endif

void topic_probe_run(rd_kafka_t *client, const char *topic, const char *other, int32_t broker, int timeout_ms,
                     struct topic_probe *out)
{
    *out = (struct topic_probe){
        .silent = rd_kafka_err2str(RD_KAFKA_RESP_ERR__TIMED_OUT), .retention_ms = -1, .retention_bytes = -1};
    ask_operations(client, topic, broker, timeout_ms, out);
    ask_configuration(client, topic, other, broker, timeout_ms, out);
}
