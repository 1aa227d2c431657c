/* The least a program can do for an event: consume, scan, verify, sign, post (post.h: with libcurl, or over
 * raw sockets). One thread and epoll; no order, no fair turns, no retries, no deadlines, no commits, no log.
 * What the agent spends beyond this is its own doing. It consumes with the agent's own settings of
 * librdkafka, and scans, verifies and signs with the agent's own code.
 *
 * Usage: floor BROKERS TOPIC GROUP SECRET IN_FLIGHT RECORDS [CA_FILE]
 * Ends after so many answers (0: once it has its assignment) and prints one line of JSON. */
#include "event/signature.h"
#include "post.h"
#include "source/kafka/internal.h"
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

static struct {
    int epoll, wake;
    rd_kafka_t *consumer;
    rd_kafka_queue_t *queue;
    bool more; /* there may be records to take at once */
    struct signer *signer;
    struct event *events; /* by request: its body is borrowed until the answer */
    size_t *idle;         /* requests; last in, first out */
    size_t idle_count;
    uint64_t started, answered, records;
    bool assigned;
    int64_t start_ns, assigned_ns, first_ns, last_ns; /* CLOCK_REALTIME */
} bench;

_Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "floor: %s: %s\n", what, why);
    exit(1);
}

int64_t now_ns(int clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void post_answered(size_t number)
{
    bench.idle[bench.idle_count++] = number;
    bench.last_ns = now_ns(CLOCK_REALTIME);
    if (bench.answered++ == 0)
        bench.first_ns = bench.last_ns;
}

static void open_requests(size_t in_flight)
{
    bench.events = calloc(in_flight, sizeof *bench.events);
    bench.idle = calloc(in_flight, sizeof *bench.idle);
    if (!bench.events || !bench.idle)
        die("start", "out of memory");
    for (; bench.idle_count < in_flight; bench.idle_count++) {
        event_init(&bench.events[bench.idle_count]);
        bench.idle[bench.idle_count] = bench.idle_count;
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
    size_t number = bench.idle[--bench.idle_count];
    struct event *event = &bench.events[number];
    struct error err = {0};
    char signature[SIGNATURE_SIZE], stamp[24];
    int64_t now_s = (int64_t)time(NULL);
    if (message->err)
        die("Kafka", rd_kafka_message_errstr(message));
    if (event_parse(event, EVENT_RUN, (struct slice){message->payload, message->len}, &err) != 0)
        die("record", err.message);
    if (signer_verify(bench.signer, event) != SIGNATURE_VALID)
        die("record", "wrong signature");
    struct slice body = buffer_slice(&event->payload);
    if (signer_sign(bench.signer, now_s, body, signature) != 0)
        die("signature", "out of memory");
    snprintf(stamp, sizeof stamp, "%lld", (long long)now_s);
    post_start(number, event->invocation.url, body, stamp, signature);
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
    if (post_due_at_ns() < 0)
        return 1000;
    int64_t left = post_due_at_ns() - now_ns(CLOCK_MONOTONIC);
    return left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

static void turn(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(bench.epoll, events, EVENTS, wait_ms());
    for (int i = 0; i < count; i++) {
        uint64_t wakes;
        if (events[i].data.fd == bench.wake)
            bench.more = read(bench.wake, &wakes, sizeof wakes) > 0;
        else
            post_ready(events[i].data.fd, events[i].events);
    }
    if (bench.more)
        take();
    if (post_due_at_ns() >= 0 && post_due_at_ns() <= now_ns(CLOCK_MONOTONIC))
        post_due();
}

int main(int argc, char **argv)
{
    if (argc != 7 && argc != 8) {
        fputs("Usage: floor BROKERS TOPIC GROUP SECRET IN_FLIGHT RECORDS [CA_FILE]\n", stderr);
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
    open_requests((size_t)in_flight);
    post_open(bench.epoll, (size_t)in_flight, argv[7]);
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
