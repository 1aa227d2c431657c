/* Events through mappings: whatever an event makes of a mapping's expressions, what comes out is a request
 * that can be sent. Input: the event. */
#include "fuzz.h"
#include "map/mapping.h"
#include "json/canonical.h"

#define SECRET SLICE_LITERAL("0123456789abcdef0123456789abcdef")

/* libjq keeps a pointer to the end of a program's stack, which is none to the leak checker. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:jv_mem_realloc";
}

static const char file[] =
    "[{\"enabled\":\".enabled\",\"url\":\".url\",\"method\":\".method\",\"headers\":\".headers\","
    "\"query\":\".query\",\"body\":\".body\",\"report\":{\"status\":\".status\",\"link\":\".link\","
    "\"summary\":\".summary\",\"externalRunId\":\".id\"},\"fieldsToDecryptPaths\":[\"secret\",\"list.0\","
    "\".list.1.b\",\"headers.X\"]},"
    "{\"enabled\":\".second\",\"headers\":{\"X-A\":\".a\"},\"query\":{\"q\":\".a\",\"r\":[\".b\"]},"
    "\"body\":{\"deep\":[\".a\",1,{\"x\":\".b\"}]}},"
    "{\"fieldsToDecryptPaths\":[\"secret\"]}]";

static struct mappings *load(void)
{
    static struct mappings *mappings;
    struct buffer problems = {0}, warnings = {0};
    if (!mappings)
        EXPECT(mappings_load(SLICE_LITERAL(file), &mappings, &problems, &warnings) == 0);
    return mappings;
}

static bool has_only(struct slice text, const char *allowed)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || !strchr(allowed, c)))
            return false;
    }
    return true;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (((unsigned char)text.ptr[i] < 0x20 && text.ptr[i] != '\t') || text.ptr[i] == 0x7f)
            return true;
    return false;
}

static void check_canonical(struct slice json)
{
    struct buffer again = {0};
    EXPECT(json_canonical(json, &again, NULL) == 0);
    EXPECT(slice_equal(buffer_slice(&again), json));
    buffer_clear(&again);
}

static void check_field(const struct mapped_field *field, bool *header)
{
    static const char token[] = "!#$%&'*+-.^_`|~";
    EXPECT(*header ==
           (field->tag == MAPPED_HEADER_VALUE)); /* a value follows its name, and nothing else does */
    *header = field->tag == MAPPED_HEADER_NAME;
    switch (field->tag) {
    case MAPPED_METHOD:
    case MAPPED_HEADER_NAME:
        EXPECT(field->value.len > 0 && has_only(field->value, token));
        break;
    case MAPPED_HEADER_VALUE:
        EXPECT(!has_control(field->value));
        break;
    case MAPPED_QUERY:
        /* What a query may have (RFC 3986, section 3.4), and brackets, where it is given as one text. */
        EXPECT(has_only(field->value, "-._~%&=!$'()*+,;:@/?[]"));
        break;
    case MAPPED_BODY:
    case MAPPED_HEADERS_JSON:
    case MAPPED_QUERY_JSON:
    case REPORTED_LINK_JSON:
        check_canonical(field->value);
        break;
    case MAPPED_FAILED:
    case MAPPED_WARNING:
        EXPECT(field->value.len > 0);
        break;
    default:
        EXPECT(strchr("xirsuBSME", (int)field->tag));
    }
}

static void check_fields(const struct buffer *fields)
{
    struct slice rest = buffer_slice(fields);
    struct mapped_field field;
    bool header = false;
    EXPECT(!fields->failed);
    while (mapped_next(&rest, &field))
        check_field(&field, &header);
    EXPECT(rest.len == 0 && !header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer event = {0}, fields = {0}, report = {0};
    if (json_canonical(fuzz_input(data, size), &event, NULL) == 0) {
        struct mappings *mappings = load();
        mappings_request(mappings, buffer_slice(&event), SECRET, NULL, &fields);
        EXPECT(fields.len > 0);
        check_fields(&fields);
        mappings_report(mappings, 1, buffer_slice(&event), SECRET, NULL, &report);
        check_fields(&report);
    }
    buffer_clear(&event);
    buffer_clear(&fields);
    buffer_clear(&report);
    return 0;
}
