/* A line of JSON back to the letter it was made from. Strict: every member that replay acts upon must be
 * there exactly once, with its type; otherwise the line is no letter. */
#include "base/json_tree.h"
#include "internal.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/** The largest whole number that a double holds exactly. */
#define WHOLE_MAX 9007199254740992.0

static const char OUT_OF_MEMORY[] = "out of memory";

enum kind { TEXT, TEXT_OR_NULL, WHOLE };
/** Members that every letter has. */
static const struct member {
    const char *name;
    enum kind kind;
    const char *wrong;
} MEMBERS[] = {
    {"id", TEXT, "\"id\" is not one text"},
    {"time", TEXT, "\"time\" is not one text"},
    {"reason", TEXT, "\"reason\" is not one text"},
    {"attempts", WHOLE, "\"attempts\" is not one whole number"},
    {"status", WHOLE, "\"status\" is not one whole number"},
    {"topic", TEXT, "\"topic\" is not one text"},
    {"partition", WHOLE, "\"partition\" is not one whole number"},
    {"offset", WHOLE, "\"offset\" is not one whole number"},
    {"record_id", TEXT, "\"record_id\" is not one text"},
    {"url", TEXT, "\"url\" is not one text"},
    {"run_id", TEXT_OR_NULL, "\"run_id\" is neither one text nor null"},
    {"key", TEXT_OR_NULL, "\"key\" is neither one text nor null"},
    {"value", TEXT_OR_NULL, "\"value\" is neither one text nor null"},
};

/** Members that a letter may have. */
static const struct member OPTIONAL[] = {
    {"mac", TEXT, "\"mac\" is not one text"},
    {"traceparent", TEXT, "\"traceparent\" is not one text"},
    {"tracestate", TEXT, "\"tracestate\" is not one text"},
};

/** The member of this name; NULL: there is none, or there are several (then `*twice` is set). */
static const cJSON *only(const cJSON *line, const char *name, bool *twice)
{
    const cJSON *found = NULL, *member;
    *twice = false;
    cJSON_ArrayForEach(member, line)
    {
        if (strcmp(member->string, name) != 0)
            continue;
        *twice |= found != NULL;
        found = member;
    }
    return *twice ? NULL : found;
}

static const char *member_text(const cJSON *line, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, name));
}

static double member_number(const cJSON *line, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(line, name)->valuedouble;
}

static bool has_kind(const cJSON *member, enum kind kind)
{
    if (kind == WHOLE)
        return cJSON_IsNumber(member) && member->valuedouble > -WHOLE_MAX &&
               member->valuedouble < WHOLE_MAX && (double)(int64_t)member->valuedouble == member->valuedouble;
    return cJSON_IsString(member) || (kind == TEXT_OR_NULL && cJSON_IsNull(member));
}

/** NULL: the members are there as a letter has them; or what is wrong. */
static const char *wrong_member(const cJSON *line)
{
    bool twice;
    for (size_t i = 0; i < sizeof MEMBERS / sizeof *MEMBERS; i++) {
        const cJSON *member = only(line, MEMBERS[i].name, &twice);
        if (!member || !has_kind(member, MEMBERS[i].kind))
            return MEMBERS[i].wrong;
    }
    for (size_t i = 0; i < sizeof OPTIONAL / sizeof *OPTIONAL; i++) {
        const cJSON *member = only(line, OPTIONAL[i].name, &twice);
        if (twice || (member && !has_kind(member, OPTIONAL[i].kind)))
            return OPTIONAL[i].wrong;
    }
    if (member_number(line, "partition") < -1 || member_number(line, "partition") > INT32_MAX ||
        member_number(line, "offset") < -1)
        return "no partition or offset has such a number";
    if (member_number(line, "attempts") < 0 || member_number(line, "attempts") > UINT32_MAX ||
        member_number(line, "status") < INT32_MIN || member_number(line, "status") > INT32_MAX)
        return "no attempts or status have such a number";
    return NULL;
}

/** NULL, or what is wrong. Only the one form in which bytes are written counts: without line breaks, padded,
 * and with no bit set that stands for nothing. */
static const char *decode_base64(const char *text, struct buffer *out)
{
    static const char wrong[] = "its base64 is broken";
    size_t len = strlen(text);
    if (len % 4 != 0 || len > INT32_MAX)
        return wrong;
    char *again = malloc(len + 1);
    if (!again || buffer_reserve(out, len / 4 * 3 + 1) != 0) {
        free(again);
        return OUT_OF_MEMORY;
    }
    int made = EVP_DecodeBlock((unsigned char *)out->ptr, (const unsigned char *)text, (int)len);
    /* OpenSSL counts the padding as bytes. */
    for (size_t i = len; made > 0 && i > 0 && i + 2 > len && text[i - 1] == '='; i--)
        made--;
    if (made >= 0)
        EVP_EncodeBlock((unsigned char *)again, (const unsigned char *)out->ptr, made);
    bool same = made >= 0 && strcmp(again, text) == 0;
    free(again);
    out->len = same ? (size_t)made : 0;
    return same ? NULL : wrong;
}

/** NULL, or what is wrong. */
static const char *bytes_of(const cJSON *line, const char *name, const char *encoding_name,
                            struct buffer *decoded, struct slice *out)
{
    bool twice;
    const char *text = member_text(line, name);
    const char *encoding = cJSON_GetStringValue(only(line, encoding_name, &twice));
    *out = slice_of(text);
    if (!text || (encoding && strcmp(encoding, "text") == 0))
        return NULL;
    if (!encoding || strcmp(encoding, "base64") != 0)
        return "a key's or value's encoding is neither \"text\" nor \"base64\"";
    const char *wrong = decode_base64(text, decoded);
    *out = decoded->len > 0 ? buffer_slice(decoded) : SLICE_LITERAL("");
    return wrong;
}

static bool is_utf8(struct slice text)
{
    for (size_t i = 0, len; i < text.len; i += len)
        if ((len = utf8_sequence(text.ptr + i, text.len - i)) == 0)
            return false;
    return true;
}

/** The line as one JSON object and nothing behind it; NULL with the reason. */
static cJSON *object_of(struct slice text, const char **why)
{
    if (!is_utf8(text)) {
        *why = "not UTF-8";
        return NULL;
    }
    cJSON *json = json_tree(text, NULL);
    if (cJSON_IsObject(json))
        return json;
    cJSON_Delete(json);
    *why = "not one JSON object";
    return NULL;
}

const char *line_parse(struct slice text, struct line *line)
{
    const char *wrong = NULL;
    uint64_t id;
    *line = (struct line){.json = object_of(text, &wrong)};
    if (!wrong)
        wrong = wrong_member(line->json);
    if (wrong)
        return wrong;
    line->id = member_text(line->json, "id");
    line->mac = slice_of(member_text(line->json, "mac"));
    line->letter = (struct dead_letter){
        .time_ms = letter_time(slice_of(member_text(line->json, "time"))),
        .reason = member_text(line->json, "reason"),
        .attempts = (unsigned)member_number(line->json, "attempts"),
        .status = (int)member_number(line->json, "status"),
        .topic = member_text(line->json, "topic"),
        .partition = (int32_t)member_number(line->json, "partition"),
        .offset = (int64_t)member_number(line->json, "offset"),
        .id = slice_of(member_text(line->json, "record_id")),
        .url = member_text(line->json, "url"),
        .run_id = slice_of(member_text(line->json, "run_id")),
        .traceparent = slice_of(member_text(line->json, "traceparent")),
        .tracestate = slice_of(member_text(line->json, "tracestate")),
    };
    if (!letter_id_number(slice_of(line->id), &id))
        return "its ID is not 16 hexadecimal digits";
    if (line->letter.time_ms < 0)
        return "its time is not a time";
    wrong = bytes_of(line->json, "key", "key_encoding", &line->key, &line->letter.key);
    return wrong ? wrong : bytes_of(line->json, "value", "value_encoding", &line->value, &line->letter.value);
}

void line_clear(struct line *line)
{
    cJSON_Delete(line->json);
    buffer_clear(&line->key);
    buffer_clear(&line->value);
    *line = (struct line){0};
}
