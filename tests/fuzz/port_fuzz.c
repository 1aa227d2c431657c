/* Port's answers: the token, reports and the Kafka credentials, from a Port that answers anything. The HTTP
 * client is this file.
 *
 * Input: answers, in the order of the requests. Each: a byte for the failure, one for the status, two for the
 * lengths of Retry-After and of the body (times 4), then the two. */
#include "fuzz.h"
#include "http/client.h"
#include "port/report.h"

enum { RUNS = 3, CALLS_MAX = 64 };

/* The HTTP client */

struct http_call {
    http_done *done;
    void *ctx;
};

static struct http_call *pending[CALLS_MAX];
static size_t pending_count;

struct http_call *http_start(struct http_client *client, const struct http_request *request, http_done *done,
                             void *ctx)
{
    (void)client;
    for (size_t i = 0; i < request->header_count; i++) {
        struct slice value = request->headers[i].value;
        for (size_t at = 0; at < value.len; at++)
            EXPECT(value.ptr[at] >= ' ' && value.ptr[at] <= '~'); /* no answer may forge a header */
    }
    if (pending_count == CALLS_MAX)
        return NULL;
    struct http_call *call = calloc(1, sizeof *call);
    EXPECT(call);
    *call = (struct http_call){done, ctx};
    pending[pending_count++] = call;
    return call;
}

static void take(size_t index)
{
    memmove(&pending[index], &pending[index + 1], (pending_count - index - 1) * sizeof *pending);
    pending_count--;
}

void http_call_forget(struct http_call *call, http_done *instead, void *ctx)
{
    (void)instead;
    (void)ctx;
    for (size_t i = 0; i < pending_count; i++)
        if (pending[i] == call)
            take(i);
    free(call);
}

void http_client_secrets(struct http_client *client, struct secrets *out)
{
    (void)client;
    (void)out;
}

static void answer(struct slice *in)
{
    static const int statuses[] = {200, 200, 201, 204, 401, 403, 404, 408, 422, 429, 500, 503, 302, 0};
    struct http_result result = {0};
    unsigned failure = fuzz_byte(in), status = fuzz_byte(in);
    size_t retry_after = fuzz_byte(in), body = (size_t)fuzz_byte(in) * 4;
    result.failure = failure < 200 ? HTTP_OK : (enum http_failure)(failure % (HTTP_MEMORY + 1));
    result.status = statuses[status % (sizeof statuses / sizeof *statuses)];
    if (result.failure != HTTP_OK)
        snprintf(result.reason, sizeof result.reason, "no answer");
    if (retry_after > 0) {
        retry_after = retry_after < in->len ? retry_after : in->len;
        result.retry_after = (struct slice){in->ptr, retry_after};
        *in = (struct slice){in->ptr + retry_after, in->len - retry_after};
    }
    body = body < in->len ? body : in->len;
    struct buffer bytes = {0};
    buffer_append(&bytes, in->ptr, body);
    result.body = (struct slice){bytes.ptr, bytes.len};
    result.owned_body = &bytes;
    *in = (struct slice){in->ptr + body, in->len - body};

    struct kafka_credentials credentials;
    struct error err = {0};
    if (kafka_credentials_parse(result.body, &credentials, &err) == 0)
        EXPECT(*credentials.brokers && credentials.username && credentials.password);
    else
        EXPECT(err.message[0] && !credentials.brokers && !credentials.password);
    kafka_credentials_clear(&credentials);

    struct http_call *call = pending[0];
    take(0);
    call->done(call->ctx, &result);
    free(call);
    buffer_clear(&bytes);
}

/* Time stands still, but for what an answer takes */

static int64_t now_ms;

static int64_t now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static double no_chance(void *ctx)
{
    (void)ctx;
    return 0.0;
}

static void finished(void *ctx, enum report_verdict verdict, const char *refusal)
{
    unsigned *times = ctx;
    (void)verdict;
    (void)refusal;
    EXPECT(++*times == 1);
}

static void open_runs(struct reports *reports, unsigned *times)
{
    static const char *const ids[RUNS] = {"r_1", "r_2", "wfnr_1"};
    for (size_t i = 0; i < RUNS; i++) {
        struct run_report *report = run_report_open(reports, slice_of(ids[i]));
        EXPECT(report);
        run_report_log(report, SLICE_LITERAL("sent"));
        struct run_result result = {.response = SLICE_LITERAL("{\"a\":1}"),
                                    .status = SLICE_LITERAL("SUCCESS")};
        EXPECT(run_report_finish(report, &result, finished, &times[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = fuzz_input(data, size);
    static const struct clock clock = {now, now, no_chance, NULL};
    unsigned times[RUNS] = {0};
    uv_loop_t loop;
    EXPECT(uv_loop_init(&loop) == 0);
    struct port_api_options api_options = {.loop = &loop,
                                           .clock = &clock,
                                           .base_url = "http://port",
                                           .client_id = "id",
                                           .client_secret = SLICE_LITERAL("secret")};
    struct port_api *api = port_api_new(&api_options);
    struct reports_options options = {.api = api,
                                      .loop = &loop,
                                      .clock = &clock,
                                      .run_logs = true,
                                      .first_backoff_ms = 1,
                                      .max_backoff_ms = 1};
    struct reports *reports = reports_new(&options);
    EXPECT(api && reports);
    open_runs(reports, times);
    while (in.len > 0 && pending_count > 0) {
        answer(&in);
        now_ms += 1000;
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    for (size_t i = 0; i < RUNS; i++)
        EXPECT(times[i] <= 1);
    reports_free(reports);
    port_api_free(api);
    EXPECT(pending_count == 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    EXPECT(uv_loop_close(&loop) == 0);
    return 0;
}
