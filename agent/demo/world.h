/* What surrounds the agent in the demo: an embedded Kafka, a small Port API and a receiver, on the same loop.
 */
#pragma once
#include "agent/http_server/server.h"
#include "base/error.h"
#include "event/signature.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <uv.h>

enum { DEMO_RUNS_MAX = 32 };

/** What Port and the receiver saw of one run. */
struct demo_seen {
    char run_id[32];
    unsigned requests, logs, responses;
    bool signature_valid;
    char status[16];
};

/** The run whose request and report are kept whole, to be shown. */
extern const char DEMO_SHOWN_RUN[];

struct demo_world {
    uv_loop_t *loop;
    /** Where webhooks go; NULL: to the receiver here. Borrowed. */
    const char *to;
    /** What events are signed with; DEMO_SECRET unless somebody else is to verify them. Borrowed. */
    const char *secret;
    struct signer *signer;
    struct http_server *port, *receiver;
    rd_kafka_t *producer;
    rd_kafka_mock_cluster_t *cluster;
    char bootstrap[256];
    struct demo_seen seen[DEMO_RUNS_MAX];
    unsigned port_requests, token_requests;
    /** Of DEMO_SHOWN_RUN: the request's line and headers, its body, and what Port was told. */
    struct buffer shown_head, shown_body, shown_report;
    unsigned closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

extern const char DEMO_SECRET[];

/** Whether what listens here can be reached, within three seconds; 0, or PA_ERR_IO with the cause. Listening
 * goes well even where the loopback interface is down, and then everything else would wait for its deadline.
 */
PA_MUST_USE int demo_world_reachable(const struct demo_world *world, struct error *err);
/** Starts everything and creates the two topics; `to` and `secret` are the caller's to set before. 0, or
 * PA_ERR_* with the cause. */
PA_MUST_USE int demo_world_open(struct demo_world *world, uv_loop_t *loop, const char *runs_topic,
                                const char *change_log_topic, struct error *err);
void demo_world_close(struct demo_world *world, void (*closed)(void *ctx), void *ctx);

struct demo_event {
    const char *run_id;
    /** invocationMethod.method. */
    const char *method;
    /** At the receiver: /ok, /fail, /slow, /busy (to the first attempt). */
    const char *path;
    bool synchronized, agent, tampered, change_log;
};
/** Signs and produces one event. */
PA_MUST_USE int demo_produce(struct demo_world *world, const char *topic, const struct demo_event *event,
                             struct error *err);
PA_MUST_USE struct demo_seen *demo_seen(struct demo_world *world, struct slice run_id);
