/* Kafka's errors in words: each at most once a minute, with a hint about what to look at. */
#include "base/log.h"
#include "source/kafka/internal.h"
#include <string.h>

enum {
    SAY_AGAIN_MS = 60000,
    /* Before 2.6.1 librdkafka sends its own SCRAM nonce twice, which Kafka 4 does not accept
     * (confluentinc/librdkafka#4895; RFC 5802, section 5.1). */
    SCRAM_NONCE_MENDED = 0x020601ff
};

/** librdkafka's words say more than its codes: where the setting is one of ours, it is named. */
static const char *hint_of_words(const char *reason)
{
    static const char tls[] =
        "trying again; does the broker speak TLS there? see KAFKA_CONSUMER_SECURITY_PROTOCOL";
    static const struct {
        const char *words, *hint;
    } known[] = {
        {"Unsupported SASL mechanism",
         "trying again; see KAFKA_CONSUMER_AUTHENTICATION_MECHANISM: the broker has others"},
        {"connecting to a SSL listener",
         "trying again; does the broker want TLS there? see KAFKA_CONSUMER_SECURITY_PROTOCOL"},
        {"connecting to a PLAINTEXT broker listener", tls},
        {"wrong version number", tls},
        {"packet length too long", tls},
        {"unexpected eof", tls},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(reason, known[i].words))
            return known[i].hint;
    return NULL;
}

const char *kafka_error_hint(rd_kafka_resp_err_t code, const char *reason)
{
    const char *hint = hint_of_words(reason);
    if (hint)
        return hint;
    switch (code) {
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        return "waiting until the topic exists; is PORT_ORG_ID right, and does this organisation have a "
               "topic?";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "trying again; the Kafka user may not read the topic: is PORT_ORG_ID the one of these "
               "credentials?";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "trying again; the Kafka user may not use the consumer group: see KAFKA_CONSUMER_GROUP_ID";
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return rd_kafka_version() < SCRAM_NONCE_MENDED
                   ? "trying again; the broker refuses the credentials: were PORT_CLIENT_ID and "
                     "PORT_CLIENT_SECRET rotated? Brokers of Kafka 4 refuse every SCRAM login of this "
                     "librdkafka: use the image, or librdkafka 2.6.1 or later"
                   : "trying again; the broker refuses the credentials: were PORT_CLIENT_ID and "
                     "PORT_CLIENT_SECRET rotated?";
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
#if RD_KAFKA_VERSION >= 0x020400ff
    case RD_KAFKA_RESP_ERR_UNRELEASED_INSTANCE_ID: /* the same, told by the newer group protocol */
#endif
        return "another agent of this group has the same KAFKA_CONSUMER_GROUP_INSTANCE_ID; give each agent a "
               "name of its own, or leave that setting out";
    case RD_KAFKA_RESP_ERR__SSL:
        return "trying again; if the broker's certificate authority is your own, set SSL_CERT_FILE";
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return "trying again; \"port-agent check --connect\" shows how far a connection gets";
    default:
        return NULL;
    }
}

/** What one line a minute is for: an error code, and its topic where the code is of one. Other reasons change
 * from time to time (they name milliseconds). */
static uint64_t subject_of(rd_kafka_resp_err_t code, const char *reason)
{
    bool of_topic = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                    code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                    code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    return slice_hash(slice_of(of_topic ? reason : "")) ^ (uint32_t)code;
}

/** Its slot; the one that was silent for longest when it has none yet. */
static struct kafka_error_said *slot_of(struct kafka_consumer *consumer, uint64_t subject)
{
    struct kafka_error_said *oldest = consumer->said;
    for (size_t i = 0; i < sizeof consumer->said / sizeof *consumer->said; i++) {
        if (consumer->said[i].subject == subject)
            return &consumer->said[i];
        if (consumer->said[i].at_ms < oldest->at_ms)
            oldest = &consumer->said[i];
    }
    return oldest;
}

static void say(struct kafka_error_said *slot, uint64_t subject, int64_t now, rd_kafka_resp_err_t code,
                const char *reason)
{
    uint64_t suppressed = slot->subject == subject ? slot->suppressed : 0;
    const char *hint = kafka_error_hint(code, reason);
    *slot = (struct kafka_error_said){.subject = subject, .at_ms = now};
    log_warning("Kafka error", F_STR("error.type", rd_kafka_err2name(code)), F_STR("error.message", reason),
                hint ? F_STR("hint", hint) : F_NONE, suppressed ? F_INT("suppressed", suppressed) : F_NONE);
}

void kafka_error_say(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    int64_t now = clock_monotonic_ms(consumer->options.clock);
    uint64_t subject = subject_of(code, reason);
    struct kafka_error_said *slot = slot_of(consumer, subject);
    if (slot->subject == subject && now - slot->at_ms < SAY_AGAIN_MS)
        slot->suppressed++;
    else
        say(slot, subject, now, code, reason);
}

void kafka_error_say_fatal(rd_kafka_resp_err_t code, const char *reason)
{
    const char *hint = kafka_error_hint(code, reason);
    log_critical("Kafka consumer cannot go on", F_STR("error.type", rd_kafka_err2name(code)),
                 F_STR("error.message", reason), hint ? F_STR("hint", hint) : F_NONE);
}
