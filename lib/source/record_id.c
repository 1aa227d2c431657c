/* See record_id.h. */
#include "source/record_id.h"
#include "base/buffer.h"

enum { TOPIC_MAX = 249 };

struct slice record_id(char id[RECORD_ID_SIZE], const char *topic, int32_t partition, int64_t offset)
{
    struct buffer text = {.ptr = id, .cap = RECORD_ID_SIZE};
    buffer_append(&text, topic, strnlen(topic, TOPIC_MAX));
    buffer_append_char(&text, '-');
    buffer_append_int(&text, partition);
    buffer_append_char(&text, '-');
    buffer_append_int(&text, offset);
    return (struct slice){buffer_text(&text), text.len};
}
