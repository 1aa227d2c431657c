#include "brokers.h"
#include "../component/kafka/mock_cluster.h"
#include <stdio.h>
#include <stdlib.h>

enum { DEADLINE_MS = 60000 };

struct brokers {
    struct mock_cluster mock;
    rd_kafka_t *producer, *reader;
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

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char reason[256];
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
    need(brokers != NULL, "no memory");
    need(mock_cluster_open(&brokers->mock, (const char *[]){BROKERS_RUNS, BROKERS_CHANGE_LOG}, 2),
         "no topics");
    rd_kafka_conf_t *producer = mock_cluster_conf(&brokers->mock),
                    *reader = mock_cluster_conf(&brokers->mock);
    set(producer, "linger.ms", "0");
    rd_kafka_conf_set_dr_msg_cb(producer, delivered);
    set(reader, "group.id", BROKERS_GROUP);
    brokers->producer = client(RD_KAFKA_PRODUCER, producer);
    brokers->reader = client(RD_KAFKA_CONSUMER, reader); /* joins nothing, only asks */
    return brokers;
}

void brokers_free(struct brokers *brokers)
{
    rd_kafka_destroy(brokers->producer);
    rd_kafka_destroy(brokers->reader);
    mock_cluster_close(&brokers->mock);
    free(brokers);
}

const char *brokers_address(const struct brokers *brokers)
{
    return mock_cluster_address(&brokers->mock);
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
