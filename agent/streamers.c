/* See streamers.h. */
#include "streamers.h"
#include "source/kafka/kafka.h"
#include "source/polling/polling.h"

static const struct source_class *const streamers[] = {
    [STREAMER_KAFKA] = &kafka_source,
    [STREAMER_POLLING] = &polling_source,
};

const struct source_class *streamer_of(const struct config *config)
{
    return streamers[config->streamer];
}
