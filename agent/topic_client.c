/* See topic_client.h. */
#include "topic_client.h"
#include <stdbool.h>

enum { ANSWER_MS = 10000, RECEIVE_LIMIT = 2147483647 };

static rd_kafka_conf_t *client_conf(const struct kafka_connection *connection, size_t record_max_bytes,
                                    struct error *err)
{
    int64_t receive = 100000000 + 2 * (int64_t)record_max_bytes;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (kafka_connection_set(conf, connection, err) ||
        /* Who reads records waits for each fetch: small ones hold little memory. */
        kafka_set_number(conf, "queued.max.messages.kbytes", 4096, err) ||
        kafka_set_number(conf, "fetch.wait.max.ms", 50, err) ||
        kafka_set_text(conf, "enable.partition.eof", "true", err) ||
        kafka_set_number(conf, "receive.message.max.bytes", receive < RECEIVE_LIMIT ? receive : RECEIVE_LIMIT,
                         err)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    return conf;
}

rd_kafka_t *topic_client_new(const struct kafka_connection *connection, size_t record_max_bytes,
                             struct error *err)
{
    return kafka_client_new(RD_KAFKA_CONSUMER, client_conf(connection, record_max_bytes, err), err);
}

static int topic_refused(const char *name, rd_kafka_resp_err_t code, struct error *err)
{
    bool unknown =
        code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    return error_set(err, unknown ? PA_ERR_NOT_FOUND : PA_ERR_UNAVAILABLE, "topic %.200s: %s%s", name,
                     rd_kafka_err2str(code),
                     unknown ? "" : "; 'port-agent check --connect' goes the way to the brokers");
}

int topic_client_topic(rd_kafka_t *client, const char *name, rd_kafka_topic_t **topic, int32_t *partitions,
                       struct error *err)
{
    const struct rd_kafka_metadata *metadata;
    *topic = rd_kafka_topic_new(client, name, NULL);
    if (!*topic)
        return topic_refused(name, rd_kafka_last_error(), err);
    rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, *topic, &metadata, ANSWER_MS);
    if (!code) {
        bool there = metadata->topic_cnt == 1;
        code = there ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        *partitions = there ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
    }
    if (!code)
        return 0;
    rd_kafka_topic_destroy(*topic);
    *topic = NULL;
    return topic_refused(name, code, err);
}
