/* Mapping files: what they say, what is wrong with them, and the requests and reports they make. */
#include "../edge.h"
#include "map/internal.h"
#include "mappings.h"
#include <openssl/evp.h>

static void the_first_enabled_mapping_is_used(void **state)
{
    (void)state;
    static const char file[] =
        "[{\"enabled\":false},{\"enabled\":\".a == 1\",\"url\":\"\\\"http://one\\\"\"},"
        "{\"enabled\":\".a\",\"url\":\"\\\"http://no\\\"\"},{\"url\":\"\\\"http://rest\\\"\"}]";
    assert_request(file, "{\"a\":1}", "i 2\nu http://one\n");
    assert_request(file, "{\"a\":2}", "i 4\nu http://rest\n");
    assert_request("[{\"enabled\":false}]", "{}", "x \n");
    assert_request("[]", "{}", "x \n");
}

/** Some editors write one. */
static void a_byte_order_mark_before_the_list_is_passed_over(void **state)
{
    (void)state;
    assert_request("\xef\xbb\xbf[{\"body\":\".a\"}]", "{\"a\":1}", "i 1\nb 1\n");
    assert_problem("\xef\xbb[]", "is not JSON: ");
    assert_problem("\xef\xbb\xbf\xef\xbb\xbf[]", "is not JSON: ");
}

static void a_mapping_without_fields_leaves_the_request_as_it_is(void **state)
{
    (void)state;
    assert_request("[{}]", "{\"a\":12345678901234567890}", "i 1\n");
    assert_request("[{\"body\":\" . \"}]", "{\"a\":1.0}", "i 1\n");
    assert_request("[{\"url\":null,\"method\":null,\"headers\":null,\"query\":null,\"report\":null,"
                   "\"fieldsToDecryptPaths\":null}]",
                   "{}", "i 1\n");
}

static void every_field_is_evaluated(void **state)
{
    (void)state;
    assert_request(
        "[{\"url\":\".u\",\"method\":\".m\",\"headers\":{\"X-N\":\"5\",\"X-B\":\"true\",\"X-Null\":\"null\","
        "\"X-T\":\".t\"},\"query\":\"{l: [1,\\\"a b\\\"], n: null, s: \\\"ä&\\\"}\","
        "\"body\":{\"deep\":{\"list\":[\".t\",1,null,true]},\"miss\":\".none\"}}]",
        "{\"u\":\"http://x\",\"m\":\"PUT\",\"t\":\"é\"}",
        "i 1\nu http://x\nm PUT\nn X-N\nv 5\nn X-B\nv true\nn X-T\nv é\nq l=1&l=a%20b&s=%C3%A4%26\n"
        "b {\"deep\":{\"list\":[\"é\",1,null,true]},\"miss\":null}\n");
    assert_request("[{\"body\":\"null\",\"headers\":\"null\",\"query\":{}}]", "{}", "i 1\nB \n");
    assert_request("[{\"body\":null}]", "{}", "i 1\nB \n");
    assert_request("[{\"body\":[null,\".n\",{\"a\":null}]}]", "{\"n\":0.00001}",
                   "i 1\nb [null,0.00001,{\"a\":null}]\n");
    assert_request("[{\"body\":false,\"query\":{\"n\":\".n\"},\"headers\":{\"N\":\".n\"}}]", "{\"n\":1e-9}",
                   "i 1\nn N\nv 1e-9\nq n=1e-9\nb false\n");
    assert_request("[{\"body\":\".t\"}]", "{\"t\":\"a\\u007f\"}", "i 1\nb \"a\x7f\"\n");
    assert_request("[{\"body\":\"1, 2\"}]", "{}", "i 1\nb 1\n");
}

static void an_error_or_no_output_is_null_and_a_warning(void **state)
{
    (void)state;
    assert_request("[{\"body\":{\"a\":\"empty\",\"b\":\"error(\\\"oh\\\")\",\"c\":\".x\"}}]", "{\"x\":1}",
                   "i 1\nw mapping 1, body.a: jq: no output\nw mapping 1, body.b: jq: oh\n"
                   "b {\"a\":null,\"b\":null,\"c\":1}\n");
    assert_request("[{\"body\":\".x + 1\"}]", "{\"x\":\"password\"}",
                   "i 1\nw mapping 1, body: jq: string (…) and number (1) cannot be added\nB \n");
    assert_request("[{\"enabled\":\"error(\\\"no\\\")\"},{}]", "{}", "w mapping 1, enabled: jq: no\ni 2\n");
}

static void what_cannot_become_a_request_fails(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"url\":\".none\"", "the url is null; it must be a text"},
        {"\"url\":\"5\"", "the url is number; it must be a text"},
        {"\"method\":\"null\"", "the method is null; it must be a text"},
        {"\"method\":\"\\\"NOT A METHOD\\\"\"", "the method is not an HTTP method"},
        {"\"method\":\"\\\"\\\"\"", "the method is not an HTTP method"},
        {"\"headers\":\"[]\"", "the headers are not an object"},
        {"\"headers\":{\"a\":\"[1]\"}",
         "a header is a list or an object; it must be a text, number or boolean"},
        {"\"headers\":{\"a\":\"\\\"x\\\\r\\\\ny: z\\\"\"}",
         "a header's value holds a line break or another control character"},
        {"\"headers\":{\"a\":\"\\\"\\\\u0000\\\"\"}",
         "a header's value holds a line break or another control character"},
        {"\"headers\":\"[range(101)|{\\\"x\\\\(.)\\\":.}]|add\"", "there are more than 100 headers"},
        {"\"headers\":\"{a:(\\\"x\\\"*65536)}\"", "there are more than 64 KiB of headers"},
        {"\"headers\":\"[range(64)|{\\\"y\\\\(.)\\\":(\\\"x\\\"*1024)}]|add\"",
         "there are more than 64 KiB of headers"},
        {"\"headers\":{\"a b\":\"1\"}", "a header's name has a character that names cannot have"},
        {"\"query\":\"7\"", "the query is not an object, a text or a list of pairs"},
        {"\"query\":\"[[1]]\"", "the query is a list of something else than pairs of a name and a value"},
        {"\"query\":\"[\\\"a=1\\\"]\"",
         "the query is a list of something else than pairs of a name and a value"},
        {"\"query\":\"[[null,1]]\"",
         "the query is a list of something else than pairs of a name and a value"},
        {"\"body\":\"reduce range(600) as $i (null; [.])\"",
         "a result is nested too deeply to be written as JSON"},
        {"\"query\":{\"a\":\"{}\"}",
         "a query parameter is an object or a list in a list; it must be a text, number or boolean"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[256];
        struct buffer fields = {0}, text = {0};
        snprintf(file, sizeof file, "[{%s}]", cases[i][0]);
        struct mappings *mappings = load(file);
        mappings_request(mappings, SLICE_LITERAL("{}"), SLICE_LITERAL(SECRET), NULL, &fields);
        write_fields(buffer_slice(&fields), &text);
        char expected[256];
        snprintf(expected, sizeof expected, "f mapping 1: %s\n", cases[i][1]);
        if (!strstr(buffer_text(&text), expected))
            fail_msg("%s: '%s' does not hold '%s'", cases[i][0], text.ptr, expected);
        buffer_clear(&fields);
        buffer_clear(&text);
        mappings_free(mappings);
    }
    struct mappings *mappings = load("[{}]");
    struct buffer fields = {0};
    mappings_request(mappings, SLICE_LITERAL("{"), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, "f jq cannot read the event: it is too large or nested too deeply\n");
    mappings_free(mappings);
}

static void of_two_failures_the_first_is_told(void **state)
{
    (void)state;
    assert_request("[{\"method\":\"null\",\"headers\":\"[]\"}]", "{}",
                   "i 1\nf mapping 1: the method is null; it must be a text\n");
}

static void framing_headers_are_left_out_and_host_is_sent(void **state)
{
    (void)state;
    assert_request(
        "[{\"headers\":{\"Host\":\"\\\"h.example\\\"\",\"content-LENGTH\":\"5\","
        "\"Transfer-Encoding\":\"[1]\",\"CONNECTION\":\"null\",\"X\":\"1\"}}]",
        "{}",
        "i 1\nn Host\nv h.example\n"
        "w mapping 1, headers.content-LENGTH: left out: the agent says itself how the body is sent\n"
        "w mapping 1, headers.Transfer-Encoding: left out: the agent says itself how the body is sent\n"
        "n X\nv 1\n");
    assert_request("[{\"headers\":\"{hOST: .h, connection: \\\"close\\\"}\"}]", "{\"h\":\"a:1\"}",
                   "i 1\nn hOST\nv a:1\n"
                   "w mapping 1, headers.connection: left out: the agent says itself how the body is sent\n");
}

static void headers_of_the_connection_and_for_the_proxy_are_left_out(void **state)
{
    (void)state;
    assert_request(
        "[{\"headers\":{\"UPGRADE\":\"\\\"h2c\\\"\",\"te\":\"\\\"trailers\\\"\","
        "\"Proxy-Authorization\":\"\\\"Basic x\\\"\",\"Tea\":\"1\"}}]",
        "{}",
        "i 1\n"
        "w mapping 1, headers.UPGRADE: left out: it is about the connection, which is the agent's\n"
        "w mapping 1, headers.te: left out: it is about the connection, which is the agent's\n"
        "w mapping 1, headers.Proxy-Authorization: left out: the proxy's password stands in the "
        "proxy's setting\n"
        "n Tea\nv 1\n");
    static const char *const others[] = {"Keep-Alive", "Proxy-Connection", "HTTP2-Settings", "trailer"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char file[64], expected[160];
        snprintf(file, sizeof file, "[{\"headers\":{\"%s\":\"1\"}}]", others[i]);
        snprintf(expected, sizeof expected, "i 1\nw mapping 1, headers.%s: left out: %s\n", others[i],
                 i < 3 ? "it is about the connection, which is the agent's"
                       : "the agent says itself how the body is sent");
        assert_request(file, "{}", expected);
    }
}

static void a_hundred_headers_are_sent(void **state)
{
    (void)state;
    struct mappings *mappings =
        load("[{\"headers\":\"[range(100)|{\\\"x\\\\(.)\\\":.}]|add + {te: 1, y: null}\"}]");
    struct buffer fields = {0};
    struct mapped_request request;
    mappings_request(mappings, SLICE_LITERAL("{}"), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_int_equal(mapped_request_read(buffer_slice(&fields), &request), 0);
    assert_true(slice_is_null(request.failure));
    assert_int_equal(request.header_count, 100);
    mapped_request_clear(&request);
    buffer_clear(&fields);
    mappings_free(mappings);
}

static void a_query_is_an_object_a_text_or_a_list_of_pairs(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\"\\\"x=1&y=2\\\"\"", "q x=1&y=2\n"},
        {"\"\\\"?x=1\\\"\"", "q x=1\n"},
        {"\"\\\"??x\\\"\"", "q ?x\n"},
        {"\"\\\"\\\"\"", ""},
        {"\"\\\"?\\\"\"", ""},
        {"\"\\\"a b=ä#&c=%41%zz%\\\"\"", "q a%20b=%C3%A4%23&c=%41%25zz%25\n"},
        {"\"\\\"a[]=1&b=/?:@\\\"\"", "q a[]=1&b=/?:@\n"},
        {"\"[[\\\"x\\\",1],[\\\"y\\\",null],[\\\"x\\\",[2,null,true]]]\"", "q x=1&x=2&x=true\n"},
        {"\"[[1,\\\"a b\\\"],[true,\\\"&\\\"]]\"", "q 1=a%20b&true=%26\n"},
        {"\"[]\"", ""},
        {"[]", ""},
        {"[[\"x\",\".n\"],[\"a-b.c_d\",\"null\"],[\".k\",[1,\".n\"]],[\"\\\"l m\\\"\",false]]",
         "q x=7&key=1&key=7&l%20m=false\n"},
        {"{\"x\":[\"1\",\".n\"],\"y\":2}", "q x=1&x=7&y=2\n"},
        {"\"null\"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[256], expected[256];
        snprintf(file, sizeof file, "[{\"query\":%s}]", cases[i][0]);
        snprintf(expected, sizeof expected, "i 1\n%s", cases[i][1]);
        assert_request(file, "{\"n\":7,\"k\":\"key\"}", expected);
    }
    assert_request("[{\"query\":\"\\\"a=1\\\"\",\"report\":{\"status\":\"null\"}}]", "{}",
                   "i 1\nr S\nq a=1\nQ \"a=1\"\n");
}

/** A name of these characters stands for itself; with any other it is an expression, and these are none. */
static void a_parameters_name_stands_for_itself_or_is_an_expression(void **state)
{
    (void)state;
    static const char *const plain[] = {"xa", "xz", "xA", "xZ", "x0", "x9", "x_", "x-", "x.y", "-x"},
                             *const others[] = {"x`", "x{", "x@", "x[", "x/", "x:", "x y", "x+"};
    char file[64], expected[64];
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        snprintf(file, sizeof file, "[{\"query\":[[\"%s\",1]]}]", plain[i]);
        snprintf(expected, sizeof expected, "i 1\nq %s=1\n", plain[i]);
        assert_request(file, "{}", expected);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(file, sizeof file, "[{\"query\":[[\"%s\",1]]}]", others[i]);
        assert_problem(file, "mapping 1, query[0][0]: jq: ");
    }
    assert_request("[{\"query\":[[\"\u00e9\",1]]}]", "{}", "i 1\nq %C3%A9=1\n");
}

static void the_words_of_booleans_enable_and_disable(void **state)
{
    (void)state;
    static const char *const yes[] = {"\"yes\"", "\"YES\"",  "\"1\"",      "\"on\"", "\"T\"",
                                      "\"y\"",   "\"True\"", "\" true \"", "1"},
                             *const no[] = {"\"no\"", "\"Off\"", "\"0\"", "\"f\"", "\"N\"", "\"FALSE\"", "0"};
    char file[64];
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        snprintf(file, sizeof file, "[{\"enabled\":%s}]", yes[i]);
        assert_request(file, "{}", "i 1\n");
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        snprintf(file, sizeof file, "[{\"enabled\":%s},{}]", no[i]);
        assert_request(file, "{}", "i 2\n");
    }
    assert_request("[{\"enabled\":\".yes\"},{}]", "{\"yes\":true}", "i 1\n");
    assert_problem("[{\"enabled\":\"yeah\"}]", "yeah/0 is not defined");
}

/** The digits, or a warning that names the field. */
static void assert_digits_or_warning(const char *field, const char *event, const char *where,
                                     const char *digits)
{
    char file[256];
    struct buffer fields = {0}, text = {0}, warning = {0};
    snprintf(file, sizeof file, "[{%s}]", field);
    struct mappings *mappings = load(file);
    mappings_request(mappings, edge_of(event), SLICE_LITERAL(SECRET), NULL, &fields);
    write_fields(buffer_slice(&fields), &text);
    buffer_appendf(&warning, "w mapping 1, %s: a number has lost its last digits", where);
    if (!strstr(buffer_text(&text), digits) == !strstr(text.ptr, buffer_text(&warning)))
        fail_msg("%s: '%s' has not '%s' or '%s'", field, text.ptr, digits, warning.ptr);
    buffer_clear(&fields);
    buffer_clear(&text);
    buffer_clear(&warning);
    mappings_free(mappings);
}

static void digits_are_kept_or_their_loss_is_told(void **state)
{
    (void)state;
    static const char event[] =
        "{\"id\":5113603275375104668,\"n\":-5113603275375104668,\"f\":0.12345678901234567891}";
    assert_digits_or_warning("\"body\":{\"a\":[{\"id\":\".id\"}]}", event, "body.a[0].id",
                             "5113603275375104668");
    assert_digits_or_warning("\"body\":\"{a: [.id]}\"", event, "body", "5113603275375104668");
    assert_digits_or_warning("\"body\":\".n\"", event, "body", "-5113603275375104668");
    assert_digits_or_warning("\"body\":\".f\"", event, "body", "0.12345678901234567891");
    assert_digits_or_warning("\"body\":\"{(.id | tostring): 1}\"", event, "body", "5113603275375104668");
    assert_digits_or_warning("\"query\":{\"id\":\".id\"}", event, "query.id", "5113603275375104668");
    assert_digits_or_warning("\"headers\":{\"X\":\".id | tojson\"}", event, "headers.X",
                             "5113603275375104668");
    assert_digits_or_warning("\"url\":\"\\\"http://x/\\\\(.id)\\\"\"", event, "url", "5113603275375104668");
    assert_digits_or_warning("\"body\":\".id + 0\"", event, "body", "5113603275375104668");
}

static void numbers_that_jq_keeps_are_written_alike_by_all_its_versions(void **state)
{
    (void)state;
    assert_request(
        "[{\"body\":\"[.[], (.[] | tostring)]\"}]",
        "{\"a\":1.0,\"b\":1.50,\"c\":1e3,\"d\":0.1,\"e\":12345678901234567000,\"f\":-0,\"g\":1.7e300}",
        "i 1\nb [1,1.5,1000,0.1,12345678901234567000,-0,1.7e+300,\"1\",\"1.5\",\"1000\",\"0.1\","
        "\"12345678901234567000\",\"-0\",\"1.7e+300\"]\n");
}

static void problems_name_mapping_field_and_place(void **state)
{
    (void)state;
    assert_problem("{}", "is object; write a list of mappings");
    assert_problem("[{\"url\": \n x}]", "(line 2, column 2)");
    assert_problem("[x", "is not JSON: not a value at byte 1");
    assert_problem("", "is not JSON: it is empty\n");
    assert_problem("[5]", "mapping 1: is number; write an object\n");
    assert_problem("[{},{\"url\":5}]", "mapping 2, url: is number; write a jq expression in quotes\n");
    assert_problem("[{\"enabled\":3}]",
                   "mapping 1, enabled: is number; write true, false or a jq expression");
    assert_problem("[{\"enabled\":null}]",
                   "mapping 1, enabled: is null; write true, false or a jq expression");
    assert_problem("[{\"headers\":[]}]", "mapping 1, headers: is array");
    assert_problem("[{\"query\":[[\"x\"]]}]",
                   "mapping 1, query: is array; write each of its elements as a pair");
    assert_problem("[{\"query\":[\"x=1\"]}]",
                   "mapping 1, query: is array; write each of its elements as a pair");
    assert_problem("[{\"query\":[[\"x\",\"oh\"]]}]", "mapping 1, query[0][1]: jq: oh/0 is not defined");
    assert_problem("[{\"report\":\".x\"}]",
                   "mapping 1, report: is string; write an object of jq expressions");
    assert_problem("[{\"report\":{\"status\":5}}]", "mapping 1, report.status: is number");
    assert_problem("[{\"fieldsToDecryptPaths\":\"a\"}]", "mapping 1, fieldsToDecryptPaths: is string");
    assert_problem("[{\"fieldsToDecryptPaths\":[1]}]", "mapping 1, fieldsToDecryptPaths: is number");
    assert_problem("[{\"body\":{\"a\":[\".x |\"]}}]", "mapping 1, body.a[0]: jq: syntax error");
    assert_problem("[{\"body\":{\"a\\nb\":\"|\"}}]", "mapping 1, body.a b: jq: syntax error");
    assert_problem("[{\"url\":\"nothere\"}]", "nothere/0 is not defined at <top-level>, line 1");
    assert_problem("[{\"url\":\"import \\\"a\\\" as a; .\"}]", "mapping 1, url: jq: ");
}

static void all_problems_are_told_and_unknown_fields_warn(void **state)
{
    (void)state;
    struct mappings *mappings = NULL;
    struct buffer problems = {0}, warnings = {0};
    static const char bad[] = "[{\"url\":\"|\",\"method\":\"(\"},{\"query\":5}]";
    assert_int_not_equal(mappings_load(edge_of(bad), &mappings, &problems, &warnings), 0);
    size_t lines = 0;
    for (size_t i = 0; i < problems.len; i++)
        lines += problems.ptr[i] == '\n';
    assert_int_equal(lines, 3);
    buffer_clear(&problems);
    assert_int_equal(mappings_load(SLICE_LITERAL("[{\"ulr\":\".\",\"report\":{\"lnk\":\".\"}}]"), &mappings,
                                   &problems, &warnings),
                     0);
    assert_int_equal(warnings.failed, 0);
    assert_string_equal(buffer_text(&warnings), "mapping 1, report.lnk: no such field; it is ignored\n"
                                                "mapping 1, ulr: no such field; it is ignored\n");
    mappings_free(mappings);
    buffer_clear(&problems);
    buffer_clear(&warnings);
}

/** What Port sends for an encrypted property. */
static void seal(const char *plain, char out[256])
{
    unsigned char sealed[128] = {0};
    int len = 0, rest = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    memset(sealed, 7, 16);
    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, 16, NULL);
    EVP_EncryptInit_ex(ctx, NULL, NULL, (const unsigned char *)SECRET, sealed);
    EVP_EncryptUpdate(ctx, sealed + 16, &len, (const unsigned char *)plain, (int)strlen(plain));
    EVP_EncryptFinal_ex(ctx, sealed + 16 + len, &rest);
    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, sealed + 16 + len);
    EVP_EncodeBlock((unsigned char *)out, sealed, 32 + len);
    EVP_CIPHER_CTX_free(ctx);
}

static void encrypted_properties_are_decrypted_first(void **state)
{
    (void)state;
    char sealed[256], event[1024], expected[1024];
    seal("pässword", sealed);
    snprintf(event, sizeof event, "{\"p\":{\"key\":\"%s\",\"list\":[{\"b\":\"%s\"}]}}", sealed, sealed);
    assert_request("[{\"fieldsToDecryptPaths\":[\"p.key\",\".p.list.0.b\",\"p.none\",\"x.y\"],"
                   "\"headers\":{\"X-Key\":\".p.key\"}}]",
                   event,
                   "i 1\ns pässword\ns pässword\nn X-Key\nv pässword\n"
                   "b {\"p\":{\"key\":\"pässword\",\"list\":[{\"b\":\"pässword\"}]}}\n");
    sealed[30] = sealed[30] == 'A' ? 'B' : 'A';
    snprintf(event, sizeof event, "{\"a\":\"%s\",\"b\":\"!\",\"c\":\"aaaa\",\"d\":5}", sealed);
    snprintf(expected, sizeof expected,
             "i 1\nw mapping 1, fieldsToDecryptPaths [\"a\"]: not decrypted: it was not encrypted with this "
             "client "
             "secret, or was altered\n"
             "w mapping 1, fieldsToDecryptPaths [\"b\"]: not decrypted: it is not base64\n"
             "w mapping 1, fieldsToDecryptPaths [\"c\"]: not decrypted: too short to be encrypted (3 bytes)\n"
             "w mapping 1, fieldsToDecryptPaths [\"d\"]: not decrypted: it is not a text\n");
    assert_request("[{\"fieldsToDecryptPaths\":[\"a\",\"b\",\"c\",\"d\"]}]", event, expected);
}

static void what_is_not_decrypted_keeps_its_own_bytes(void **state)
{
    (void)state;
    char sealed[256], event[1024];
    seal("a \"b\"\n", sealed);
    snprintf(
        event, sizeof event,
        "{\"n\":[1.0,1e-7,-0,1E400,12345678901234567890123],\"k\":\"no\",\"l\":[5,{\"\\n\\\"é\":\"%s\"}],"
        "\"m\":1,\"m\":2,\"k\":\"%s\"}",
        sealed, sealed);
    assert_request("[{\"fieldsToDecryptPaths\":[\"l.1.\\n\\\"é\",\"k\"],\"body\":\" . \"}]", event,
                   "i 1\ns a \"b\"\n\ns a \"b\"\n\nb {\"n\":[1.0,1e-7,-0,1E400,12345678901234567890123],"
                   "\"k\":\"no\",\"l\":[5,{\"\\n\\\"é\":\"a \\\"b\\\"\\n\"}],\"m\":1,\"m\":2,"
                   "\"k\":\"a \\\"b\\\"\\n\"}\n");
}

static void the_secret_before_decrypts_what_the_secret_does_not(void **state)
{
    (void)state;
    char sealed[256], event[512];
    struct buffer fields = {0};
    struct mappings *mappings = load("[{\"fieldsToDecryptPaths\":[\"a\"]}]");
    seal("hunter2", sealed);
    snprintf(event, sizeof event, "{\"a\":\"%s\"}", sealed);
    mappings_accept_too(mappings, 0, SLICE_LITERAL(SECRET));
    mappings_request(mappings, slice_of(event), SLICE_LITERAL("another secret, long enough to be a key"),
                     NULL, &fields);
    assert_fields(&fields, "i 1\ns hunter2\nb {\"a\":\"hunter2\"}\n");
    sealed[30] = sealed[30] == 'A' ? 'B' : 'A';
    snprintf(event, sizeof event, "{\"a\":\"%s\"}", sealed);
    mappings_request(mappings, slice_of(event), SLICE_LITERAL("short"), NULL, &fields);
    assert_fields(&fields,
                  "i 1\nw mapping 1, fieldsToDecryptPaths [\"a\"]: not decrypted: PORT_CLIENT_SECRET is "
                  "shorter than 32 bytes\n");
    mappings_free(mappings);
}

/** Which expressions get to see a variable's value is told by their words. */
static void an_expression_that_reads_the_environment_is_known(void **state)
{
    (void)state;
    static const char *const readers[] = {"env",   "$ENV",        "env.A", ".a|env", "(env)", "$ENV.A",
                                          "1:env", "\"\\(env)\"", "env@",  "env[",   "env`",  "env{",
                                          "env/",  "env:",        "[env",  "{env",   "`env"};
    static const char *const others[] = {"",     "en",   ".env", "$env",  "@env", "m::env",  "environment",
                                         "_env", "env1", "ENV",  "Env.A", "enx",  "ens|enu", "enva",
                                         "envz", "envA", "envZ", "env0",  "env9", "env_",    "aenv",
                                         "zenv", "Aenv", "Zenv", "0env",  "9env"};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!expression_reads_environment(edge_of(readers[i])))
            fail_msg("%s", readers[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (expression_reads_environment(edge_of(others[i])))
            fail_msg("%s", others[i]);
}

static void messages_of_jq_do_not_quote_decrypted_values(void **state)
{
    (void)state;
    char sealed[256], event[512];
    seal("hunter2", sealed);
    snprintf(event, sizeof event, "{\"a\":\"%s\"}", sealed);
    assert_request(
        "[{\"fieldsToDecryptPaths\":[\"a\"],\"body\":\".a | tonumber\"}]", event,
        "i 1\ns hunter2\nw mapping 1, body: jq: failed (jq's message is withheld: the event has decrypted "
        "values)\nB \n");
}

static void the_builtin_triggers_gitlab_pipelines(void **state)
{
    (void)state;
    unsetenv("GITLAB_URL");
    setenv("group_sub_project", "tok", 1);
    static const char event[] = "{\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\","
                                "\"groupName\":\"group/sub\",\"projectName\":"
                                "\"project\",\"defaultRef\":\"dev\",\"omitPayload\":true}},\"properties\":{"
                                "\"n\":5,\"t\":\"x\",\"o\":{\"a\":1}}}}";
    assert_request(
        mappings_builtin, event,
        "i 1\nr LE\nu https://gitlab.com/api/v4/projects/group%2Fsub%2Fproject/trigger/pipeline\n"
        "b "
        "{\"ref\":\"dev\",\"token\":\"tok\",\"variables\":{\"n\":\"5\",\"t\":\"x\",\"o\":\"{\\\"a\\\":1}\"},"
        "\"port_payload\":{}}\n");
    setenv("GITLAB_URL", "https://git.x", 1);
    static const char bare[] =
        "{\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\",\"groupName\":\"g\","
        "\"projectName\":\"p\",\"omitUserInputs\":true,\"omitPayload\":true}},\"properties\":{"
        "\"ref\":\"r1\"}}}";
    assert_request(mappings_builtin, bare,
                   "i 1\nr LE\nu https://git.x/api/v4/projects/g%2Fp/trigger/pipeline\n"
                   "b {\"ref\":\"r1\",\"token\":null,\"variables\":{},\"port_payload\":{}}\n");
    assert_request(mappings_builtin, "{\"changelogDestination\":{}}", "i 2\n");
}

static void reports_override_what_they_name(void **state)
{
    (void)state;
    struct mappings *mappings =
        load("[{},{\"report\":{\"status\":\"if .response.statusCode == 200 then \\\"SUCCESS\\\" else "
             "\\\"FAILURE\\\" "
             "end\",\"link\":\"[.request.url, "
             ".response.json.link]\",\"summary\":\".response.text\",\"externalRunId\":"
             "\".body.id\"}}]");
    struct buffer fields = {0};
    mappings_report(
        mappings, 2,
        SLICE_LITERAL(
            "{\"body\":{\"id\":77},\"request\":{\"url\":\"http://r\"},\"response\":{\"statusCode\":200,"
            "\"headers\":{},\"text\":\"hi\",\"json\":{\"link\":\"http://l\"}}}"),
        SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, "S SUCCESS\nL [\"http://r\",\"http://l\"]\nM hi\nE 77\n");
    mappings_report(mappings, 2, SLICE_LITERAL("{\"body\":{},\"request\":{},\"response\":{}}"),
                    SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, "S FAILURE\nL [null,null]\n");
    mappings_report(mappings, 1, SLICE_LITERAL("{\"body\":{}}"), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, "");
    mappings_report(mappings, 3, SLICE_LITERAL("{}"), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, "f mapping 3: there is no such mapping\n");
    mappings_report(mappings, 2, SLICE_LITERAL("5"), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, "f mapping 2: the report's context is not an object\n");
    mappings_free(mappings);
}

static void assert_gitlab_report(const char *response_json, const char *expected)
{
    struct mappings *mappings = load(mappings_builtin);
    struct buffer fields = {0}, context = {0};
    buffer_appendf(&context, "{\"body\":{},\"request\":{},\"response\":{\"statusCode\":201,\"json\":%s}}",
                   response_json);
    mappings_report(mappings, 1, buffer_slice(&context), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, expected);
    buffer_clear(&context);
    mappings_free(mappings);
}

static void the_builtin_reports_gitlab_pipelines(void **state)
{
    (void)state;
    assert_gitlab_report("{\"id\":77,\"web_url\":\"https://gitlab.com/p/77\"}",
                         "L \"https://gitlab.com/p/77\"\nE 77\n");
    /* An answer of another kind is no reason for warnings. */
    assert_gitlab_report("{\"message\":\"404 Not Found\"}", "");
    assert_gitlab_report("null", "");
    assert_gitlab_report("[1]", "");
    assert_gitlab_report("\"x\"", "");
}

static void a_decryption_that_fails_is_told_once(void **state)
{
    (void)state;
    struct mappings *mappings =
        load("[{\"fieldsToDecryptPaths\":[\"a\"],\"report\":{\"summary\":\".body.a\"}}]");
    struct buffer fields = {0};
    mappings_report(mappings, 1, SLICE_LITERAL("{\"body\":{\"a\":\"plain\"}}"), SLICE_LITERAL(SECRET), NULL,
                    &fields);
    assert_fields(&fields, "M plain\n");
    mappings_free(mappings);
}

static void cut_fields_end_the_list(void **state)
{
    (void)state;
    struct buffer fields = {0};
    struct mapped_field field;
    mapped_append(&fields, MAPPED_URL, SLICE_LITERAL("http://x"));
    for (size_t len = 0; len < fields.len; len++) {
        struct slice cut = {fields.ptr, len};
        assert_false(mapped_next(&cut, &field));
    }
    buffer_clear(&fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_enabled_mapping_is_used),
        cmocka_unit_test(a_byte_order_mark_before_the_list_is_passed_over),
        cmocka_unit_test(a_mapping_without_fields_leaves_the_request_as_it_is),
        cmocka_unit_test(every_field_is_evaluated),
        cmocka_unit_test(an_error_or_no_output_is_null_and_a_warning),
        cmocka_unit_test(what_cannot_become_a_request_fails),
        cmocka_unit_test(of_two_failures_the_first_is_told),
        cmocka_unit_test(framing_headers_are_left_out_and_host_is_sent),
        cmocka_unit_test(headers_of_the_connection_and_for_the_proxy_are_left_out),
        cmocka_unit_test(a_hundred_headers_are_sent),
        cmocka_unit_test(a_query_is_an_object_a_text_or_a_list_of_pairs),
        cmocka_unit_test(a_parameters_name_stands_for_itself_or_is_an_expression),
        cmocka_unit_test(the_words_of_booleans_enable_and_disable),
        cmocka_unit_test(digits_are_kept_or_their_loss_is_told),
        cmocka_unit_test(numbers_that_jq_keeps_are_written_alike_by_all_its_versions),
        cmocka_unit_test(problems_name_mapping_field_and_place),
        cmocka_unit_test(all_problems_are_told_and_unknown_fields_warn),
        cmocka_unit_test(encrypted_properties_are_decrypted_first),
        cmocka_unit_test(what_is_not_decrypted_keeps_its_own_bytes),
        cmocka_unit_test(the_secret_before_decrypts_what_the_secret_does_not),
        cmocka_unit_test(an_expression_that_reads_the_environment_is_known),
        cmocka_unit_test(messages_of_jq_do_not_quote_decrypted_values),
        cmocka_unit_test(the_builtin_triggers_gitlab_pipelines),
        cmocka_unit_test(reports_override_what_they_name),
        cmocka_unit_test(the_builtin_reports_gitlab_pipelines),
        cmocka_unit_test(a_decryption_that_fails_is_told_once),
        cmocka_unit_test(cut_fields_end_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
