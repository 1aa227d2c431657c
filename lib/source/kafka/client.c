/* What librdkafka is asked, or told, of one partition. */
#include "source/kafka/internal.h"

bool partition_bounds(const struct partition *partition, int64_t *low, int64_t *high)
{
    return rd_kafka_get_watermark_offsets(partition->consumer->rk, partition->topic, partition->number, low,
                                          high) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void partition_of_client_pause(rd_kafka_t *rk, const char *topic, int32_t number, bool pause)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, number);
    if (pause)
        rd_kafka_pause_partitions(rk, list);
    else
        rd_kafka_resume_partitions(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}
