/* A letter as a line of JSON: its members, and bytes of any kind and length. */
#include "deadletter/internal.h"
#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct dead_letter letter_with(struct slice value)
{
    return (struct dead_letter){.reason = "the endpoint answered \"500\"",
                                .attempts = 3,
                                .status = 500,
                                .topic = "org.runs",
                                .partition = 2,
                                .offset = INT64_C(1) << 40,
                                .time_ms = 1768317616641,
                                .url = "http://svc/",
                                .id = SLICE_LITERAL("org.runs-2-7"),
                                .value = value};
}

static void a_line_has_every_member_in_its_place(void **state)
{
    (void)state;
    struct dead_letter letter = letter_with(SLICE_LITERAL("{\"a\":1}"));
    struct buffer line = {0};
    line_append(&line, "0011", &letter, "m");
    assert_string_equal(
        buffer_text(&line),
        "{\"id\":\"0011\",\"time\":\"2026-01-13T15:20:16.641Z\",\"reason\":\"the endpoint answered "
        "\\\"500\\\"\",\"attempts\":3,\"status\":500,\"topic\":\"org.runs\",\"partition\":2,"
        "\"offset\":1099511627776,\"record_id\":\"org.runs-2-7\",\"url\":\"http://svc/\","
        "\"run_id\":null,\"key\":null,\"value_encoding\":\"text\",\"value\":\"{\\\"a\\\":1}\","
        "\"mac\":\"m\"}\n");
    buffer_clear(&line);
    letter.run_id = SLICE_LITERAL("r_1");
    letter.key = SLICE_LITERAL("");
    letter.value = (struct slice){NULL, 0};
    line_append(&line, "0011", &letter, "m");
    assert_non_null(strstr(buffer_text(&line), "\"run_id\":\"r_1\",\"key_encoding\":\"text\",\"key\":\"\","
                                               "\"value\":null,\"mac\""));
    buffer_clear(&line);
    letter.traceparent = SLICE_LITERAL("00-0a-0b-01");
    letter.tracestate = SLICE_LITERAL("a=1");
    line_append(&line, "0011", &letter, "m");
    assert_non_null(strstr(buffer_text(&line), "\"run_id\":\"r_1\",\"traceparent\":\"00-0a-0b-01\","
                                               "\"tracestate\":\"a=1\",\"key_encoding\""));
    buffer_clear(&line);
}

/** Writes the value, and reads it back with a JSON reader and OpenSSL. */
static void check_kept(struct slice value, const char *encoding)
{
    struct dead_letter letter = letter_with(value);
    struct buffer line = {0};
    line_append(&line, "0011", &letter, "m");
    cJSON *read = cJSON_Parse(buffer_text(&line));
    const char *text = cJSON_GetObjectItem(read, "value")->valuestring;
    assert_string_equal(cJSON_GetObjectItem(read, "value_encoding")->valuestring, encoding);
    if (strcmp(encoding, "text") == 0) {
        assert_int_equal(strlen(text), value.len);
        assert_memory_equal(text, value.ptr, value.len);
    } else {
        size_t length = strlen(text), padding = (value.len + 2) / 3 * 3 - value.len;
        unsigned char *bytes = malloc(length + 1);
        assert_non_null(bytes);
        assert_int_equal(EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length),
                         value.len + padding);
        assert_memory_equal(bytes, value.ptr, value.len);
        free(bytes);
    }
    cJSON_Delete(read);
    buffer_clear(&line);
}

static void bytes_of_any_length_are_kept(void **state)
{
    (void)state;
    static char bytes[10000];
    static const size_t lengths[] = {1,    2,    3,    4,    1024, 2047, 2048, 2049, 3070, 3071,
                                     3072, 3073, 3074, 6143, 6144, 6145, 9215, 9216, 10000};
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(0x80 | (i * 7 % 64)); /* no UTF-8 */
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_kept((struct slice){bytes, lengths[i]}, "base64");
}

static void text_is_what_every_reader_gives_back_as_it_was(void **state)
{
    (void)state;
    check_kept(SLICE_LITERAL(""), "text");
    check_kept(SLICE_LITERAL("\x01\"\\/\n\xc3\xa9\xf0\x9f\x98\x80"), "text");
    check_kept(SLICE_LITERAL("a\0b"), "base64");
    check_kept(SLICE_LITERAL("a\xc3"), "base64");
    check_kept(SLICE_LITERAL("\xed\xa0\x80"), "base64"); /* half of a pair */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_every_member_in_its_place),
        cmocka_unit_test(bytes_of_any_length_are_kept),
        cmocka_unit_test(text_is_what_every_reader_gives_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
