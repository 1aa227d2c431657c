#include "brokers.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEADLINE_MS = 60000 };

struct brokers {
    rd_kafka_t *host, *producer, *reader;
    rd_kafka_mock_cluster_t *cluster;
};

static void need(int worked, const char *what)
{
    if (worked)
        return;
    fprintf(stderr, "the Kafka cluster: %s\n", what);
    abort();
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char reason[256];
    need(rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK, reason);
}

static rd_kafka_t *client(const struct brokers *brokers, rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char reason[256];
    set(conf, "bootstrap.servers", brokers_address(brokers));
    set(conf, "log_level", "0");
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    need(rk != NULL, reason);
    return rk;
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    (void)rk;
    (void)opaque;
    need(message->err == RD_KAFKA_RESP_ERR_NO_ERROR, "a record was not accepted");
    *(int64_t *)message->_private = message->offset;
}

struct brokers *brokers_new(void)
{
    struct brokers *brokers = calloc(1, sizeof *brokers);
    char reason[256];
    need(brokers != NULL, "no memory");
    rd_kafka_conf_t *host = rd_kafka_conf_new();
    set(host, "log_level", "0");
    brokers->host = rd_kafka_new(RD_KAFKA_PRODUCER, host, reason, sizeof reason);
    need(brokers->host != NULL, reason);
    brokers->cluster = rd_kafka_mock_cluster_new(brokers->host, 1);
    need(brokers->cluster && rd_kafka_mock_topic_create(brokers->cluster, BROKERS_RUNS, 1, 1) == 0 &&
             rd_kafka_mock_topic_create(brokers->cluster, BROKERS_CHANGE_LOG, 1, 1) == 0,
         "no topics");
    rd_kafka_conf_t *producer = rd_kafka_conf_new(), *reader = rd_kafka_conf_new();
    set(producer, "linger.ms", "0");
    rd_kafka_conf_set_dr_msg_cb(producer, delivered);
    set(reader, "group.id", BROKERS_GROUP);
    brokers->producer = client(brokers, RD_KAFKA_PRODUCER, producer);
    brokers->reader = client(brokers, RD_KAFKA_CONSUMER, reader); /* joins nothing, only asks */
    return brokers;
}

void brokers_free(struct brokers *brokers)
{
    rd_kafka_destroy(brokers->producer);
    rd_kafka_destroy(brokers->reader);
    rd_kafka_mock_cluster_destroy(brokers->cluster);
    rd_kafka_destroy(brokers->host);
    free(brokers);
}

const char *brokers_address(const struct brokers *brokers)
{
    return rd_kafka_mock_cluster_bootstraps(brokers->cluster);
}

int64_t brokers_produce(struct brokers *brokers, struct slice value)
{
    int64_t offset = -1;
    rd_kafka_resp_err_t code = rd_kafka_producev(
        brokers->producer, RD_KAFKA_V_TOPIC(BROKERS_RUNS), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value.ptr, value.len), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_OPAQUE(&offset), RD_KAFKA_V_END);
    need(code == RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_flush(brokers->producer, DEADLINE_MS) == 0 &&
             offset >= 0,
         "a record was not written");
    return offset;
}

int64_t brokers_committed(struct brokers *brokers)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, BROKERS_RUNS, 0);
    rd_kafka_resp_err_t code = rd_kafka_committed(brokers->reader, list, DEADLINE_MS);
    int64_t offset = code ? -1 : list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return offset < 0 ? -1 : offset;
}
