/* Shows each step of the way to Kafka: a name and a connection for every bootstrap server, then topics and
 * group as kafka_probe.c found them. It decides nothing about Kafka itself. */
#include "kafka.h"
#include "base/clock.h"
#include "group.h"
#include "http/authorities.h"
#include "kafka_probe.h"
#include "letters_topic.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESSES_SHOWN = 4 };

static const char AREA[] = "Kafka";

struct checking {
    struct check_steps *steps;
    const struct config *config;
    int64_t timeout_ms;
    /** Brokers and credentials are Port's. */
    bool from_port;
};

/* Names */

/** "sasl_ssl://[::1]:9092" to "::1". */
static char *host_of(const char *address)
{
    const char *start = strstr(address, "://");
    start = start ? start + 3 : address;
    if (*start == '[')
        return slice_to_text((struct slice){start + 1, strcspn(start + 1, "]")});
    const char *colon = strrchr(start, ':');
    return slice_to_text((struct slice){start, colon ? (size_t)(colon - start) : strlen(start)});
}

static void append_addresses(const struct addrinfo *first, struct buffer *out)
{
    char text[INET6_ADDRSTRLEN];
    size_t shown = 0;
    for (const struct addrinfo *at = first; at && shown < ADDRESSES_SHOWN; at = at->ai_next) {
        const void *address =
            at->ai_family == AF_INET6
                ? (const void *)&((const struct sockaddr_in6 *)(const void *)at->ai_addr)->sin6_addr
                : (const void *)&((const struct sockaddr_in *)(const void *)at->ai_addr)->sin_addr;
        if (inet_ntop(at->ai_family, address, text, sizeof text))
            buffer_appendf(out, "%s%s", shown++ > 0 ? ", " : "", text);
    }
}

/** getaddrinfo(3) with a deadline. 0 or its error code. */
static int look_up(const char *host, int64_t timeout_ms, struct addrinfo **out)
{
    /* Not on the stack: a lookup that is given up goes on in its thread. */
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct gaicb *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return EAI_MEMORY;
    lookup->ar_name = strdup(host);
    lookup->ar_request = &hints;
    const struct gaicb *const list[] = {lookup};
    int failed = lookup->ar_name ? getaddrinfo_a(GAI_NOWAIT, &lookup, 1, NULL) : EAI_MEMORY;
    int code = failed ? failed : gai_error(lookup);
    /* gai_suspend(3) may return before the time is up with nothing done. */
    int64_t deadline = clock_monotonic_ms(clock_system()) + timeout_ms;
    for (int64_t left = timeout_ms; code == EAI_INPROGRESS && left > 0;
         left = deadline - clock_monotonic_ms(clock_system())) {
        struct timespec wait = {left / 1000, left % 1000 * 1000000};
        gai_suspend(list, 1, &wait);
        code = gai_error(lookup);
    }
    if (code == EAI_INPROGRESS) /* its memory stays its own */
        return EAI_AGAIN;
    *out = lookup->ar_result;
    free((void *)(uintptr_t)lookup->ar_name);
    free(lookup);
    return code;
}

static void name_step(const struct checking *checking, const char *address)
{
    struct addrinfo *found = NULL;
    char *host = host_of(address);
    int code = host ? look_up(host, checking->timeout_ms, &found) : EAI_MEMORY;
    struct check_step *step = check_begin(checking->steps, AREA, "dns", code ? CHECK_FAILED : CHECK_OK);
    buffer_appendf(&step->detail, "%s: ", host ? host : address);
    if (code) {
        buffer_append_text(&step->detail, gai_strerror(code));
        buffer_append_text(&step->hint,
                           checking->from_port
                               ? "ask whoever runs your DNS for this name (Port's API named it)"
                               : "check KAFKA_CONSUMER_BOOTSTRAP_SERVERS, or ask whoever runs your DNS");
    } else {
        append_addresses(found, &step->detail);
        freeaddrinfo(found);
    }
    free(host);
    check_end(checking->steps, step);
}

/* Servers */

static void server_hint(const struct checking *checking, const char *error, const char *reason,
                        struct buffer *hint)
{
    const struct config *config = checking->config;
    if (strstr(reason, " alert "))
        buffer_append_text(hint,
                           *config->kafka_certificate.path
                               ? "does the broker accept the certificate in KAFKA_CONSUMER_SSL_CERTIFICATE?"
                               : "perhaps the broker wants a client certificate: set "
                                 "KAFKA_CONSUMER_SSL_CERTIFICATE and KAFKA_CONSUMER_SSL_KEY");
    else if (strcmp(error, "_RESOLVE") == 0)
        buffer_append_text(hint, "this machine does not know the name: see the step dns above");
    else if (strcmp(error, "_AUTHENTICATION") == 0)
        buffer_appendf(hint, "the broker refuses the %s; KAFKA_CONSUMER_AUTHENTICATION_MECHANISM is %s",
                       checking->from_port
                           ? "user and password that Port gave: ask Port's support if it stays so"
                           : "user and password",
                       *config->sasl_mechanism ? config->sasl_mechanism : "none");
    else if (strcmp(error, "_SSL") == 0)
        buffer_append_text(hint, "if the broker's certificate authority is your own, set SSL_CERT_FILE or "
                                 "REQUESTS_CA_BUNDLE to it (PEM); if the broker speaks no TLS there, set "
                                 "KAFKA_CONSUMER_SECURITY_PROTOCOL");
    else
        buffer_appendf(
            hint,
            "ask for outgoing TCP access to this host and port (Kafka uses no HTTP proxy), and check "
            "that KAFKA_CONSUMER_SECURITY_PROTOCOL (%s) is what the broker speaks there",
            config->security_protocol);
}

static void server_step(const struct checking *checking, const struct kafka_probe_server *server)
{
    const struct config *config = checking->config;
    struct check_step *step =
        check_begin(checking->steps, AREA, "broker", server->reached ? CHECK_OK : CHECK_FAILED);
    step->duration_ms = server->duration_ms;
    buffer_appendf(&step->detail, "%s: ", server->address);
    if (server->reached) {
        buffer_appendf(&step->detail, "connected with %s", config->security_protocol);
        if (*config->sasl_mechanism)
            buffer_appendf(&step->detail, ", authenticated with %s", config->sasl_mechanism);
    } else {
        buffer_append_text(&step->detail, server->reason);
        server_hint(checking, server->error, server->reason, &step->hint);
    }
    check_end(checking->steps, step);
}

/* Topics and group */

/** NULL: it was not asked about, or what it says is in the step already, which ends with that. */
static struct check_step *topic_step(const struct checking *checking, const char *name, const char *topic,
                                     const char *hint, const struct kafka_probe_answer *answer)
{
    if (!answer->asked)
        return NULL;
    enum check_verdict verdict = answer->error            ? CHECK_FAILED
                                 : answer->leaderless > 0 ? CHECK_WARNING
                                                          : CHECK_OK;
    struct check_step *step = check_begin(checking->steps, AREA, name, verdict);
    if (answer->error) {
        buffer_appendf(&step->detail, "%s: %s", topic, answer->reason);
        buffer_append_text(&step->hint, hint);
        check_end(checking->steps, step);
        return NULL;
    }
    buffer_appendf(&step->detail, "%s has %d partition%s", topic, answer->partitions,
                   answer->partitions == 1 ? "" : "s");
    if (answer->leaderless > 0) {
        buffer_appendf(&step->detail, ", %d of them without a leader now", answer->leaderless);
        buffer_append_text(&step->hint, "a broker is missing: whoever runs the brokers can bring it back");
    }
    return step;
}

static void end_topic_step(const struct checking *checking, struct check_step *step)
{
    if (step)
        check_end(checking->steps, step);
}

static void topic_steps(const struct checking *checking, const struct kafka_probe *probe)
{
    const struct config *config = checking->config;
    end_topic_step(checking,
                   topic_step(checking, "runs topic", config->runs_topic,
                              "check PORT_ORG_ID (and KAFKA_RUNS_TOPIC): Port makes the topic, and lets its "
                              "own organisation read it",
                              &probe->runs));
    end_topic_step(
        checking, topic_step(checking, "change-log topic", config->change_log_topic,
                             "check PORT_ORG_ID (and KAFKA_CHANGE_LOG_TOPIC): Port makes the topic, and lets "
                             "its own organisation read it",
                             &probe->change_log));
    struct check_step *letters = topic_step(
        checking, "dead-letter topic", config->dead_letter_topic,
        "make the topic and let the agent's user write to it, or correct DEAD_LETTER_TOPIC", &probe->other);
    if (letters)
        letters_topic_say(letters, &probe->other_topic);
    end_topic_step(checking, letters);
}

static void group_step(const struct checking *checking, const struct kafka_probe_answer *answer)
{
    if (!answer->asked)
        return;
    struct check_step *step =
        check_begin(checking->steps, AREA, "consumer group", answer->error ? CHECK_FAILED : CHECK_OK);
    buffer_appendf(&step->detail, "%s: %s", checking->config->group_id,
                   answer->error ? answer->reason : "its committed offsets can be read");
    if (answer->error && strcmp(answer->error, "GROUP_AUTHORIZATION_FAILED") == 0)
        buffer_append_text(&step->hint,
                           "set KAFKA_CONSUMER_GROUP_ID to a group that Port gave you (it begins with "
                           "PORT_ORG_ID)");
    else if (answer->error)
        buffer_append_text(&step->hint,
                           "the group's coordinator did not answer as it should: try again later");
    check_end(checking->steps, step);
}

void check_kafka(struct check_steps *steps, const struct config *config,
                 const struct authorities *authorities, int64_t timeout_ms,
                 const struct kafka_credentials *credentials)
{
    struct checking checking = {steps, config, timeout_ms, credentials != NULL};
    struct kafka_consumer_options options;
    struct kafka_probe probe;
    struct error err = {0};
    kafka_consumer_settings(config, credentials, authorities_bundle(authorities), &options);
    options.clock = clock_system();
    if (kafka_probe_run(&options, config->dead_letter_topic, timeout_ms, &probe, &err) != 0)
        check_say(steps, AREA, "broker", CHECK_FAILED, *err.message ? err.message : "out of memory", NULL);
    for (size_t i = 0; i < probe.server_count; i++) {
        if (probe.servers[i].address)
            name_step(&checking, probe.servers[i].address);
        if (probe.servers[i].reached || probe.servers[i].error)
            server_step(&checking, &probe.servers[i]);
    }
    topic_steps(&checking, &probe);
    group_step(&checking, &probe.group);
    if (probe.group.asked && !probe.group.error)
        group_steps(steps, config, &probe.members);
    kafka_probe_clear(&probe);
}
