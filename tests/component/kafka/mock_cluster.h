/* librdkafka's mock cluster: one broker, topics of one partition. */
#pragma once
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stddef.h>

struct mock_cluster {
    rd_kafka_t *host; /* in whose threads the cluster lives */
    rd_kafka_mock_cluster_t *cluster;
};

static inline void mock_cluster_close(struct mock_cluster *mock)
{
    if (mock->cluster)
        rd_kafka_mock_cluster_destroy(mock->cluster);
    if (mock->host)
        rd_kafka_destroy(mock->host);
    *mock = (struct mock_cluster){NULL, NULL};
}

/** False, with nothing left open, where it cannot be. */
static inline bool mock_cluster_open(struct mock_cluster *mock, const char *const *topics, size_t count)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    mock->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, NULL, 0);
    mock->cluster = mock->host ? rd_kafka_mock_cluster_new(mock->host, 1) : NULL;
    bool open = mock->cluster != NULL;
    for (size_t i = 0; open && i < count; i++)
        open = rd_kafka_mock_topic_create(mock->cluster, topics[i], 1, 1) == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!open)
        mock_cluster_close(mock);
    return open;
}

static inline const char *mock_cluster_address(const struct mock_cluster *mock)
{
    return rd_kafka_mock_cluster_bootstraps(mock->cluster);
}

/** A client's configuration with the cluster's address in it. */
static inline rd_kafka_conf_t *mock_cluster_conf(const struct mock_cluster *mock)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", mock_cluster_address(mock), NULL, 0);
    return conf;
}
