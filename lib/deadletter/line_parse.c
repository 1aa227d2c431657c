/* A line of JSON back to the letter it was made from. */
#include "deadletter/reader_internal.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const cJSON *line, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));
}

static double number_of(const cJSON *line, const char *name)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(line, name);
    return cJSON_IsNumber(number) ? number->valuedouble : 0;
}

static bool decode_base64(const char *text, struct buffer *out)
{
    size_t len = strlen(text);
    if (len % 4 != 0 || len > INT32_MAX || buffer_reserve(out, len / 4 * 3 + 1) != 0)
        return false;
    int made = EVP_DecodeBlock((unsigned char *)out->ptr, (const unsigned char *)text, (int)len);
    if (made < 0)
        return false;
    /* OpenSSL counts the padding as bytes. */
    for (size_t i = len; i > 0 && i + 2 > len && text[i - 1] == '='; i--)
        made--;
    out->len = (size_t)made;
    return true;
}

/** False: what is there is not bytes in either form. */
static bool bytes_of(const cJSON *line, const char *name, const char *encoding_name, struct buffer *decoded,
                     struct slice *out)
{
    const char *text = text_of(line, name), *encoding = text_of(line, encoding_name);
    *out = slice_of(text);
    if (!text || !encoding || strcmp(encoding, "text") == 0)
        return true;
    if (strcmp(encoding, "base64") != 0 || !decode_base64(text, decoded))
        return false;
    *out = buffer_slice(decoded);
    return true;
}

bool line_parse(struct slice text, struct line *line)
{
    *line = (struct line){.json = cJSON_ParseWithLength(text.ptr, text.len)};
    struct dead_letter *letter = &line->letter;
    const char *time = text_of(line->json, "time"), *reason = text_of(line->json, "reason");
    line->id = text_of(line->json, "id");
    if (!line->id || strlen(line->id) != LETTER_ID_SIZE - 1 || !time || !reason)
        return false;
    const char *topic = text_of(line->json, "topic"), *url = text_of(line->json, "url");
    letter->time_ms = letter_time(slice_of(time));
    letter->reason = reason;
    letter->attempts = (unsigned)number_of(line->json, "attempts");
    letter->status = (int)number_of(line->json, "status");
    letter->topic = topic ? topic : "";
    letter->partition = (int32_t)number_of(line->json, "partition");
    letter->offset = (int64_t)number_of(line->json, "offset");
    letter->id = slice_of(text_of(line->json, "record_id"));
    letter->url = url ? url : "";
    letter->run_id = slice_of(text_of(line->json, "run_id"));
    return letter->time_ms >= 0 && bytes_of(line->json, "key", "key_encoding", &line->key, &letter->key) &&
           bytes_of(line->json, "value", "value_encoding", &line->value, &letter->value);
}

void line_clear(struct line *line)
{
    cJSON_Delete(line->json);
    buffer_clear(&line->key);
    buffer_clear(&line->value);
    *line = (struct line){0};
}
