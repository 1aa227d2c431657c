/* What surrounds the agent in the demo: an embedded Kafka, a small Port API and a receiver, on the same loop.
 */
#pragma once
#include "agent/http_server/server.h"
#include "base/error.h"
#include "child.h"
#include "event/signature.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <uv.h>

enum { DEMO_RUNS_MAX = 128 };

/** What Port and the receiver saw of one run. */
struct demo_seen {
    char run_id[32];
    unsigned requests, logs, responses;
    bool signature_valid;
    /** A later request had another Idempotency-Key than the first one. */
    bool other_key;
    char key[80];
    char status[16];
};

/** Runs of which all is kept whole, to be shown. */
enum demo_kept_run { DEMO_KEPT_EXAMPLE, DEMO_KEPT_MAPPED, DEMO_KEPT };
struct demo_kept {
    const char *run_id;
    /** The event, the request's line and headers, its body, and what Port was told. */
    struct buffer event, head, body, report;
};

struct demo_world {
    uv_loop_t *loop;
    /** Where webhooks go; NULL: to the receiver here. Borrowed. */
    const char *to;
    /** What events are signed with; DEMO_SECRET unless somebody else is to verify them. Borrowed. */
    const char *secret;
    struct signer *signer;
    /** `late` listens on down_port from demo_world_bring_up on. */
    struct http_server *port, *receiver, *late;
    /** Nobody listens there: a socket that only holds it. */
    int down_port, down_fd;
    /** The endpoint that failed works again. */
    bool mended;
    /** Is told of every request to DEMO_WORK_PATH, which is answered later; NULL: nobody is. */
    void (*arrived)(void *ctx, const struct demo_seen *seen);
    void *arrived_ctx;
    rd_kafka_t *producer;
    rd_kafka_mock_cluster_t *cluster;
    char bootstrap[256];
    struct demo_seen seen[DEMO_RUNS_MAX];
    unsigned port_requests, token_requests;
    struct demo_kept kept[DEMO_KEPT];
    unsigned closing;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

extern const char DEMO_SECRET[];
/** Organisations, each with its topics and an agent. */
#define DEMO_ORG "demo"
#define DEMO_MAPPED_ORG "demo.mapped"
#define DEMO_RESTARTED_ORG "demo.restarted"
#define DEMO_LETTERS_TOPIC "demo.dead.letters"
#define DEMO_EXAMPLE_RUN "r_sync_ok"
#define DEMO_MAPPED_RUN "r_mapped"
#define DEMO_LETTER_RUN "r_given_up"
/** Endpoints at the receiver: answers after a while; fails until it is mended. */
#define DEMO_WORK_PATH "/work"
#define DEMO_LETTER_PATH "/broken"
enum { DEMO_LETTER_ATTEMPTS = 3 };

/** Whether what listens here can be reached, within three seconds; 0, or PA_ERR_IO with the cause. Listening
 * goes well even where the loopback interface is down, and then everything else would wait for its deadline.
 */
PA_MUST_USE int demo_world_reachable(const struct demo_world *world, struct error *err);
/** Starts everything and creates the topics; `to` and `secret` are the caller's to set before. 0, or
 * PA_ERR_* with the cause. */
PA_MUST_USE int demo_world_open(struct demo_world *world, uv_loop_t *loop, struct error *err);
void demo_world_close(struct demo_world *world, void (*closed)(void *ctx), void *ctx);

/** Somebody listens on down_port from now on. 0, or PA_ERR_* with the cause. */
PA_MUST_USE int demo_world_bring_up(struct demo_world *world, struct error *err);
/** What an agent of this organisation needs to know of this world. */
void demo_settings(const struct demo_world *world, const char *org, struct child_settings *settings);

struct demo_event {
    const char *run_id;
    /** NULL: DEMO_ORG. */
    const char *org;
    /** NULL: "create_vm". */
    const char *action;
    /** invocationMethod.method. */
    const char *method;
    /** At the receiver: /ok, /fail, /slow, /busy (to the first attempt). */
    const char *path;
    /** 0: the receiver's. */
    int port;
    bool synchronized, agent, tampered, change_log;
};
/** Signs one event and produces it to its topic. */
PA_MUST_USE int demo_produce(struct demo_world *world, const struct demo_event *event, struct error *err);
/** What was seen of it; the run is known from then on. */
PA_MUST_USE struct demo_seen *demo_seen(struct demo_world *world, struct slice run_id);
/** Appends the JSON members ,"request":{...},"report":... of what was kept. */
void demo_append_exchange(const struct demo_kept *kept, struct buffer *out);
