/* See produce.h. */
#include "produce.h"
#include "agent/kafka_login.h"
#include <string.h>

enum { ANSWER_MS = 10000 };

struct producing {
    struct produced *out;
    rd_kafka_resp_err_t code;
};

static void report_came(rd_kafka_t *producer, const rd_kafka_message_t *message, void *ctx)
{
    struct producing *producing = ctx;
    (void)producer;
    producing->code = message->err;
    *producing->out = (struct produced){message->partition, message->offset};
}

static rd_kafka_t *open_producer(const struct kafka_connection *connection, struct producing *producing,
                                 struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (kafka_connection_set(conf, connection, err) != 0 ||
        kafka_set_text(conf, "log.queue", "false", err) != 0 ||
        kafka_set_text(conf, "log_level", "0", err) != 0 ||
        kafka_set_number(conf, "message.timeout.ms", ANSWER_MS, err) != 0) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_conf_set_dr_msg_cb(conf, report_came);
    rd_kafka_conf_set_opaque(conf, producing);
    return kafka_client_new(RD_KAFKA_PRODUCER, conf, err);
}

static int produce(rd_kafka_t *producer, const char *topic, struct slice value, struct producing *producing,
                   struct error *err)
{
    producing->code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    rd_kafka_resp_err_t code = rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic),
                                                 RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len),
                                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    if (!code) {
        rd_kafka_flush(producer, ANSWER_MS);
        code = producing->code;
    }
    return code ? error_set(err, PA_ERR_UNAVAILABLE,
                            "topic %.200s: %s; 'port-agent check --connect' goes the way to the brokers",
                            topic, rd_kafka_err2str(code))
                : 0;
}

int record_produce(const struct config *config, const struct authorities *authorities, const char *topic,
                   struct slice value, struct produced *out, struct error *err)
{
    struct kafka_credentials credentials;
    struct kafka_connection connection;
    struct producing producing = {.out = out};
    int failed = kafka_reach(config, authorities, &credentials, &connection, err);
    rd_kafka_t *producer = failed ? NULL : open_producer(&connection, &producing, err);
    if (!failed && !producer)
        failed = PA_ERR_INVALID;
    if (!failed)
        failed = produce(producer, topic, value, &producing, err);
    if (producer) {
        rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE);
        rd_kafka_destroy(producer);
    }
    kafka_credentials_clear(&credentials);
    return failed;
}
