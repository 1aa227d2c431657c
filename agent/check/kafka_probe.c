/* One client of librdkafka for each bootstrap server, so that each server's own failure is heard; then topics
 * and group (topic_probe.c, group_probe.c) through the first server that answers. Must not subscribe: a check
 * changes nothing. */
#include "kafka_probe.h"
#include "kafka/connection.h"
#include "source/kafka/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE_MS = 250, SERVERS_MAX = 32, PATIENCE_MS = 3000 };

struct probing {
    const struct kafka_consumer_options *options;
    const char *other_topic;
    struct kafka_probe *out;
    /** One for each server. */
    rd_kafka_t *clients[SERVERS_MAX];
    int64_t deadline_ms;
};

static int64_t probing_now_ms(const struct probing *probing)
{
    return clock_monotonic_ms(probing->options->clock);
}

/* The servers */

static int list_servers(const char *list, struct kafka_probe *out)
{
    for (const char *at = list; *at && out->server_count < SERVERS_MAX;) {
        struct slice one = slice_trim((struct slice){at, strcspn(at, ",")});
        at += strcspn(at, ",");
        at += *at == ',';
        if (one.len == 0)
            continue;
        struct kafka_probe_server *grown = realloc(out->servers, (out->server_count + 1) * sizeof *grown);
        if (!grown)
            return PA_ERR_MEMORY;
        out->servers = grown;
        grown[out->server_count] = (struct kafka_probe_server){.address = slice_to_text(one)};
        if (!grown[out->server_count++].address)
            return PA_ERR_MEMORY;
    }
    return 0;
}

static rd_kafka_t *client_new(const struct kafka_consumer_options *options, const char *server,
                              struct error *err)
{
    struct kafka_consumer_options one = *options;
    one.bootstrap_servers = server;
    rd_kafka_t *client = kafka_client_new(RD_KAFKA_CONSUMER, kafka_conf_new(&one, err), err);
    if (client)
        rd_kafka_set_log_queue(client, NULL);
    return client;
}

/** That all brokers are down says less than why this one is. */
static bool says_why(rd_kafka_resp_err_t code)
{
    return code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

/** Another address of the same name, or the next attempt, would end the same way. */
static bool is_final(const char *error)
{
    return strcmp(error, "_RESOLVE") == 0 || strcmp(error, "_AUTHENTICATION") == 0 ||
           strcmp(error, "_SSL") == 0;
}

/** Keeps the last error that the client tells of, or the first that is final. */
static void hear(rd_kafka_t *client, struct kafka_probe_server *server)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(client);
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(queue, 0))) {
        rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        bool settled = server->error && is_final(server->error);
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR && says_why(code) && !settled) {
            server->error = rd_kafka_err2name(code);
            snprintf(server->reason, sizeof server->reason, "%s", rd_kafka_event_error_string(event));
        }
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
}

static bool metadata_of(rd_kafka_t *client, const char *topic, int timeout_ms,
                        const struct rd_kafka_metadata **out, rd_kafka_resp_err_t *code)
{
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    *code = handle ? rd_kafka_metadata(client, 0, handle, out, timeout_ms) : rd_kafka_last_error();
    if (handle)
        rd_kafka_topic_destroy(handle);
    return *code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/** One more try at a server; true: it is known how that ended. */
static bool try_server(struct probing *probing, size_t index, int64_t started_ms)
{
    struct kafka_probe_server *server = &probing->out->servers[index];
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code;
    bool patient = probing_now_ms(probing) - started_ms < PATIENCE_MS;
    if (server->reached || (server->error && (is_final(server->error) || !patient)))
        return true;
    if (metadata_of(probing->clients[index], probing->options->runs_topic, SLICE_MS, &metadata, &code)) {
        rd_kafka_metadata_destroy(metadata);
        server->reached = true;
        server->error = NULL;
    } else {
        hear(probing->clients[index], server);
    }
    server->duration_ms = probing_now_ms(probing) - started_ms;
    return server->reached;
}

static void try_servers(struct probing *probing)
{
    int64_t started_ms = probing_now_ms(probing);
    bool open = true;
    while (open && probing_now_ms(probing) < probing->deadline_ms) {
        open = false;
        for (size_t i = 0; i < probing->out->server_count; i++)
            open |= !try_server(probing, i, started_ms);
    }
    for (size_t i = 0; i < probing->out->server_count; i++) {
        struct kafka_probe_server *server = &probing->out->servers[i];
        if (server->reached || server->error)
            continue;
        server->error = rd_kafka_err2name(RD_KAFKA_RESP_ERR__TIMED_OUT);
        snprintf(server->reason, sizeof server->reason, "no answer within %lld ms",
                 (long long)server->duration_ms);
    }
}

/* Topics and group */

static void set_answer(struct kafka_probe_answer *answer, rd_kafka_resp_err_t code)
{
    answer->asked = true;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    answer->error = rd_kafka_err2name(code);
    snprintf(answer->reason, sizeof answer->reason, "%s", rd_kafka_err2str(code));
}

static void ask_topic(rd_kafka_t *client, const char *topic, int timeout_ms,
                      struct kafka_probe_answer *answer)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_resp_err_t code;
    answer->leader = -1;
    if (metadata_of(client, topic, timeout_ms, &metadata, &code) && metadata && metadata->topic_cnt > 0) {
        const struct rd_kafka_metadata_topic *one = &metadata->topics[0];
        code = one->err;
        answer->partitions = one->partition_cnt;
        for (int i = 0; i < one->partition_cnt; i++) {
            answer->leaderless += one->partitions[i].leader < 0;
            if (one->partitions[i].leader >= 0)
                answer->leader = one->partitions[i].leader;
        }
    }
    set_answer(answer, code);
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
}

static int partitions_to_ask(const struct kafka_probe_answer *answer)
{
    return answer->error ? 0 : answer->partitions;
}

static void ask(const struct probing *probing, int timeout_ms)
{
    struct kafka_probe *out = probing->out;
    size_t index = 0;
    while (index < out->server_count && !out->servers[index].reached)
        index++;
    if (index == out->server_count)
        return;
    rd_kafka_t *client = probing->clients[index];
    ask_topic(client, probing->options->runs_topic, timeout_ms, &out->runs);
    ask_topic(client, probing->options->change_log_topic, timeout_ms, &out->change_log);
    if (probing->other_topic && *probing->other_topic)
        ask_topic(client, probing->other_topic, timeout_ms, &out->other);
    if (out->other.asked && !out->other.error)
        topic_probe_run(client, probing->other_topic, out->runs.error ? NULL : probing->options->runs_topic,
                        out->other.leader, timeout_ms, &out->other_topic);
    const int partitions[TOPICS] = {partitions_to_ask(&out->runs), partitions_to_ask(&out->change_log)};
    if (partitions[0] > 0 || partitions[1] > 0)
        set_answer(&out->group,
                   group_probe_run(client, probing->options, partitions, timeout_ms, &out->members));
}

int kafka_probe_run(const struct kafka_consumer_options *options, const char *other_topic, int64_t timeout_ms,
                    struct kafka_probe *out, struct error *err)
{
    struct probing probing = {.options = options, .other_topic = other_topic, .out = out};
    *out = (struct kafka_probe){0};
    int failed = list_servers(options->bootstrap_servers, out);
    for (size_t i = 0; i < out->server_count && !failed; i++) {
        probing.clients[i] = client_new(options, out->servers[i].address, err);
        failed = probing.clients[i] ? 0 : PA_ERR_INVALID;
    }
    probing.deadline_ms = probing_now_ms(&probing) + timeout_ms;
    if (!failed) {
        try_servers(&probing);
        ask(&probing, (int)timeout_ms);
    }
    for (size_t i = 0; i < out->server_count; i++)
        if (probing.clients[i])
            rd_kafka_destroy_flags(probing.clients[i], RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return failed;
}

void kafka_probe_clear(struct kafka_probe *probe)
{
    for (size_t i = 0; i < probe->server_count; i++)
        free(probe->servers[i].address);
    free(probe->servers);
    group_probe_clear(&probe->members);
    *probe = (struct kafka_probe){0};
}
