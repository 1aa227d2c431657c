/* The least a program can do for an event with librdkafka and libcurl: consume, scan, verify, sign, post. One
 * thread, epoll and a bare multi handle; no order, no fair turns, no retries, no deadlines, no commits, no
 * log. What the agent spends beyond this is its own doing. It consumes with the agent's own settings of
 * librdkafka, and scans, verifies and signs with the agent's own code.
 *
 * Usage: floor BROKERS TOPIC GROUP SECRET IN_FLIGHT RECORDS
 * Ends after so many answers (0: once it has its assignment) and prints one line of JSON. */
#include "event/signature.h"
#include "source/kafka/internal.h"
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { TAKE_BATCH = 64, EVENTS = 256, PREFETCH_BYTES = 8 << 20, RECORD_MAX_BYTES = 32 << 20 };

/** A request in flight, or one that waits for its turn again: the easy handle with what it borrows. */
struct slot {
    CURL *easy;
    struct event event;
    struct buffer url;
    struct curl_slist type, stamp, signature;
    char stamp_text[48], signature_text[24 + SIGNATURE_SIZE];
};

static struct {
    int epoll, wake;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    bool more; /* there may be records to take at once */
    struct signer *signer;
    CURLM *multi;
    int64_t timeout_ns; /* when libcurl wants to be called (CLOCK_MONOTONIC); -1: not at all */
    struct slot **idle; /* last in, first out */
    size_t idle_count;
    uint64_t started, answered, records;
    bool assigned;
    int64_t start_ns, assigned_ns, first_ns, last_ns; /* CLOCK_REALTIME */
} bench = {.timeout_ns = -1};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* libcurl */

static size_t discard(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

static struct slot *slot_new(void)
{
    static char json[] = "Content-Type: application/json";
    struct slot *slot = calloc(1, sizeof *slot);
    CURL *easy = curl_easy_init();
    if (!slot || !easy)
        die("request", "out of memory");
    slot->easy = easy;
    slot->type = (struct curl_slist){json, &slot->stamp};
    slot->stamp = (struct curl_slist){slot->stamp_text, &slot->signature};
    slot->signature = (struct curl_slist){slot->signature_text, NULL};
    event_init(&slot->event);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, &slot->type);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    return slot;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    (void)easy;
    (void)ctx;
    struct epoll_event event = {.data.fd = fd};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(bench.epoll, EPOLL_CTL_DEL, fd, NULL);
    else
        epoll_ctl(bench.epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (what != CURL_POLL_REMOVE && !known)
        curl_multi_assign(bench.multi, fd, &bench);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    (void)ctx;
    bench.timeout_ns = timeout_ms < 0 ? -1 : now_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000;
    return 0;
}

static void open_curl(long in_flight)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bench.multi = curl_multi_init();
    bench.idle = calloc((size_t)in_flight, sizeof(struct slot *));
    if (!bench.multi || !bench.idle)
        die("libcurl", "out of memory");
    curl_multi_setopt(bench.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(bench.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(bench.multi, CURLMOPT_MAXCONNECTS, in_flight);
    for (bench.idle_count = 0; bench.idle_count < (size_t)in_flight; bench.idle_count++)
        bench.idle[bench.idle_count] = slot_new();
}

static void collect(void)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(bench.multi, &left))) {
        struct slot *slot = NULL;
        if (message->data.result != CURLE_OK)
            die("request", curl_easy_strerror(message->data.result));
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        curl_multi_remove_handle(bench.multi, slot->easy);
        bench.idle[bench.idle_count++] = slot;
        bench.last_ns = now_ns(CLOCK_REALTIME);
        if (bench.answered++ == 0)
            bench.first_ns = bench.last_ns;
    }
}

/* Kafka */

static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *partitions, void *ctx)
{
    (void)ctx;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        bench.assigned_ns = now_ns(CLOCK_REALTIME);
        bench.assigned = true;
        rd_kafka_assign(consumer, partitions);
    } else {
        rd_kafka_assign(consumer, NULL);
    }
}

static void open_consumer(const char *brokers, const char *topic, const char *group)
{
    struct kafka_consumer_options options = {
        .bootstrap_servers = brokers,
        .security_protocol = "plaintext",
        .sasl_mechanism = "",
        .group_id = group,
        .assignment_strategy = "range,roundrobin",
        .auto_offset_reset = "earliest",
        .session_timeout_ms = 45000,
        .prefetch_bytes = PREFETCH_BYTES,
        .record_max_bytes = RECORD_MAX_BYTES,
    };
    char reason[256] = "";
    struct error err = {0};
    rd_kafka_conf_t *conf = kafka_conf_new(&options, &err);
    if (!conf)
        die("Kafka", err.message);
    rd_kafka_conf_set_events(conf, 0);
    rd_kafka_conf_set(conf, "log.queue", "false", NULL, 0);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    bench.consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!bench.consumer)
        die("Kafka", reason);
    rd_kafka_poll_set_consumer(bench.consumer);
    bench.queue = rd_kafka_queue_get_consumer(bench.consumer);
    rd_kafka_queue_io_event_enable(bench.queue, bench.wake, &(uint64_t){1}, sizeof(uint64_t));
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
    if (rd_kafka_subscribe(bench.consumer, topics) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die("Kafka", "cannot subscribe");
    rd_kafka_topic_partition_list_destroy(topics);
}

static void start(const rd_kafka_message_t *message)
{
    struct slot *slot = bench.idle[--bench.idle_count];
    struct error err = {0};
    char signature[SIGNATURE_SIZE];
    int64_t now_s = (int64_t)time(NULL);
    if (message->err)
        die("Kafka", rd_kafka_message_errstr(message));
    if (event_parse(&slot->event, EVENT_RUN, (struct slice){message->payload, message->len}, &err) != 0)
        die("record", err.message);
    if (signer_verify(bench.signer, &slot->event) != SIGNATURE_VALID)
        die("record", "wrong signature");
    struct slice body = buffer_slice(&slot->event.payload);
    if (signer_sign(bench.signer, now_s, body, signature) != 0)
        die("signature", "out of memory");
    snprintf(slot->stamp_text, sizeof slot->stamp_text, "X-Port-Timestamp: %lld", (long long)now_s);
    snprintf(slot->signature_text, sizeof slot->signature_text, "X-Port-Signature: %s", signature);
    slot->url.len = 0;
    buffer_append_slice(&slot->url, slot->event.invocation.url);
    curl_easy_setopt(slot->easy, CURLOPT_URL, buffer_text(&slot->url));
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    if (curl_multi_add_handle(bench.multi, slot->easy) != CURLM_OK)
        die("libcurl", "cannot start a request");
    bench.started++;
}

/** Takes as many records as there is room for, a batch at most. */
static void take(void)
{
    rd_kafka_message_t *messages[TAKE_BATCH];
    uint64_t left = bench.records - bench.started;
    size_t room = bench.idle_count < TAKE_BATCH ? bench.idle_count : TAKE_BATCH;
    size_t wanted = room < left ? room : (size_t)left;
    if (bench.records == 0)
        wanted = 1; /* only to be assigned */
    bench.more = bench.records == 0 || left > 0;
    if (wanted == 0)
        return;
    ssize_t count = rd_kafka_consume_batch_queue(bench.queue, 0, messages, wanted);
    for (ssize_t i = 0; i < count; i++) {
        if (bench.records > 0)
            start(messages[i]);
        rd_kafka_message_destroy(messages[i]);
    }
    bench.more = count == (ssize_t)wanted;
}

/* Life */

static long peak_rss_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (status)
        fclose(status);
    return kb;
}

static double microseconds(struct timeval time)
{
    return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static void print_result(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"answered\":%llu,\"cpu_us\":%.0f,\"peak_rss_kb\":%ld,\"start_ns\":%lld,\"assigned_ns\":%lld,"
           "\"first_ns\":%lld,\"last_ns\":%lld}\n",
           (unsigned long long)bench.answered, microseconds(used.ru_utime) + microseconds(used.ru_stime),
           peak_rss_kb(), (long long)bench.start_ns, (long long)bench.assigned_ns, (long long)bench.first_ns,
           (long long)bench.last_ns);
}

static int wait_ms(void)
{
    if (bench.more && bench.idle_count > 0)
        return 0;
    if (bench.timeout_ns < 0)
        return 1000;
    int64_t left = bench.timeout_ns - now_ns(CLOCK_MONOTONIC);
    return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int running, count = epoll_wait(bench.epoll, events, EVENTS, wait_ms());
    for (int i = 0; i < count; i++) {
        uint64_t wakes;
        if (events[i].data.fd == bench.wake) {
            bench.more = read(bench.wake, &wakes, sizeof wakes) > 0;
            continue;
        }
        int flags = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                    (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                    (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        curl_multi_socket_action(bench.multi, events[i].data.fd, flags, &running);
    }
    collect();
    if (bench.more)
        take();
    if (bench.timeout_ns >= 0 && bench.timeout_ns <= now_ns(CLOCK_MONOTONIC)) {
        bench.timeout_ns = -1;
        curl_multi_socket_action(bench.multi, CURL_SOCKET_TIMEOUT, 0, &running);
        collect();
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fputs("Usage: floor BROKERS TOPIC GROUP SECRET IN_FLIGHT RECORDS\n", stderr);
        return 2;
    }
    long in_flight = strtol(argv[5], NULL, 10);
    bench.records = strtoull(argv[6], NULL, 10);
    bench.start_ns = now_ns(CLOCK_REALTIME);
    signal(SIGPIPE, SIG_IGN);
    bench.epoll = epoll_create1(EPOLL_CLOEXEC);
    bench.wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    bench.signer = signer_new(slice_of(argv[4]));
    if (in_flight < 1 || !bench.signer || bench.epoll < 0 || bench.wake < 0)
        die("start", "a wrong argument, or out of memory or file descriptors");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = bench.wake};
    epoll_ctl(bench.epoll, EPOLL_CTL_ADD, bench.wake, &event);
    open_curl(in_flight);
    open_consumer(argv[1], argv[2], argv[3]);
    bench.more = true;
    while (!bench.assigned || bench.answered < bench.records)
        turn();
    print_result();
    rd_kafka_queue_destroy(bench.queue);
    rd_kafka_consumer_close(bench.consumer);
    rd_kafka_destroy(bench.consumer);
    return 0;
}
