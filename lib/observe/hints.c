/* What to look at after a failure, or where nothing was sent. Must never depend on more than what was told: a
 * hint is a constant. */
#include "observe/observe.h"
#include <string.h>

#define NOTHING_KEEPS "nothing keeps the event: DEAD_LETTER_DIR would"
#define MAY_BE_PROCESSED \
    "the endpoint may have processed the request: look at its log before it is sent again"
/** Where a letter keeps the event, and where nothing does. */
#define EITHER(text_)                   \
    {                                   \
        text_ "; " NOTHING_KEEPS, text_ \
    }

static bool says(struct slice text, const char *words)
{
    return text.len > 0 && memmem(text.ptr, text.len, words, strlen(words)) != NULL;
}

static const char *of_status(int status, bool kept)
{
    static const char *const failed[] = EITHER("the endpoint itself failed: look at its log");
    static const struct {
        int statuses[4];
        const char *hints[2];
    } known[] = {
        {{401, 403},
         EITHER("the endpoint refuses the sender: see that it checks signatures with this organisation's "
                "secret")},
        {{404, 405, 410}, EITHER("see that the URL of the action, or of its mapping, has the right path")},
        {{400, 415, 422},
         EITHER("the endpoint does not take this request: its answer says why, and 'port-agent map --event "
                "FILE' shows the request")},
        {{408},
         EITHER("the endpoint did not wait for all of the request; 408 in WEBHOOK_RETRY_ON sends it "
                "again")},
        {{413, 414, 431},
         EITHER("the endpoint, or a proxy before it, takes no request of this size: raise its limit, or send "
                "less with a mapping")},
        {{429},
         EITHER("the endpoint wants fewer requests: WEBHOOK_MAX_IN_FLIGHT_PER_DESTINATION sends fewer "
                "at once, WEBHOOK_RETRY_MAX_ELAPSED is how long one is tried again")},
        {{502, 504},
         EITHER(
             "a proxy before the endpoint had no answer from it: is the endpoint up? It may have processed "
             "the request: look at its log")},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        for (size_t j = 0; j < sizeof known->statuses / sizeof *known->statuses; j++)
            if (status > 0 && known[i].statuses[j] == status)
                return known[i].hints[kept];
    if (status >= 500)
        return failed[kept];
    return kept ? NULL : NOTHING_KEEPS;
}

static const char *of_error(struct slice error, bool kept)
{
    static const struct {
        const char *error, *hints[2];
    } known[] = {
        {"protocol",
         EITHER("does it speak HTTP there, and not TLS? 'port-agent check --destination URL' shows it")},
        {"timeout", EITHER("WEBHOOK_INVOKER_TIMEOUT is how long the endpoint may be silent")},
        {"connect_timeout", EITHER("WEBHOOK_INVOKER_TIMEOUT is how long connecting may take")},
        {"total_timeout", EITHER("WEBHOOK_TOTAL_TIMEOUT is how long a request may take in all")},
        {"redirect", EITHER("if the new location is right, use it in the action; WEBHOOK_FOLLOW_REDIRECTS "
                            "says which are followed")},
        {"dns", EITHER("is the host's name right, and does DNS know it where the agent runs? 'port-agent "
                       "check --destination URL' asks it")},
        {"connect", EITHER("'port-agent check --destination URL' goes the way to the endpoint step by step")},
        {"reset", EITHER(MAY_BE_PROCESSED)},
        {"send", EITHER(MAY_BE_PROCESSED)},
        {"proxy", EITHER("look at the proxy's log; NO_PROXY says what goes past it")},
        {"egress", EITHER("EGRESS_ALLOW and EGRESS_DENY say where webhooks may go")},
        {"bad_request",
         EITHER("'port-agent map --event FILE' shows the request that the event and its mapping make")},
        {"mapping", EITHER("a warning of this run in the log may say why; 'port-agent map --event FILE' "
                           "shows what each mapping makes of the event")},
        {"no_mapping", EITHER("'port-agent map' shows what each mapping makes of an event")},
        {"record_gone", EITHER("its topic keeps records for less time than this one had to wait")},
        {"event_expired", EITHER("EVENT_MAX_AGE_SECONDS is how old an event may be")},
        {"signature_expired", EITHER("REPLAY_TOLERANCE_SECONDS is how old a signature may be")},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equal_text(error, known[i].error))
            return known[i].hints[kept];
    return NULL;
}

/** libcurl and OpenSSL say in words what is wrong. */
static const char *of_certificate(struct slice reason, bool kept)
{
    static const char *const name[] = EITHER(
        "use a host name in the URL that the endpoint's certificate has, or give it one with this name");
    static const char *const expired[] = EITHER("renew the endpoint's certificate");
    static const char *const authority[] =
        EITHER("if the endpoint's certificate authority is your own, set SSL_CERT_FILE");
    if (says(reason, "subject name"))
        return name[kept];
    return says(reason, "has expired") ? expired[kept] : authority[kept];
}

/** An alert, or what OpenSSL says of the other end's version. */
static const char *of_handshake(struct slice reason, bool kept)
{
    static const char *const client[] =
        EITHER("WEBHOOK_CLIENT_CERT and WEBHOOK_CLIENT_KEY are what the endpoint is shown");
    static const char *const older[] =
        EITHER("the endpoint speaks an older TLS than 1.2, which is not used: raise its version");
    static const char *const other[] = EITHER("does the endpoint speak TLS there? 'port-agent check "
                                              "--destination URL' goes the way to it step by step");
    if (says(reason, "client certificate"))
        return client[kept];
    return says(reason, "protocol version") || says(reason, "unsupported protocol") ? older[kept]
                                                                                    : other[kept];
}

/** The agent ended, or a person ended the run. */
static const char *of_end(struct slice reason, bool kept)
{
    static const char *const stopped[] = EITHER(
        "run the action again; DRAIN_TIMEOUT_SECONDS is how long the agent waits for answers at its end");
    return says(reason, "the agent was stopped") ? stopped[kept] : NULL;
}

static const char *of_failure(const struct observed *observed, bool kept)
{
    struct slice error = slice_of(observed->error_type);
    if (slice_equal_text(error, "tls_certificate"))
        return of_certificate(observed->reason, kept);
    if (slice_equal_text(error, "tls"))
        return of_handshake(observed->reason, kept);
    const char *hint =
        slice_equal_text(error, "cancelled") ? of_end(observed->reason, kept) : of_error(error, kept);
    return hint ? hint : of_status(observed->status, kept);
}

const char *observed_hint(const struct observed *observed)
{
    switch (observed->kind == OBSERVED_ENDED ? observed->ended : observed->kind) {
    case OBSERVED_RETRYING: /* nothing is lost yet */
        return of_failure(observed, true);
    case OBSERVED_FAILED:
    case OBSERVED_UNSENT:
        return of_failure(observed, observed->has_letter);
    case OBSERVED_SIGNATURE_WRONG:
        return "is PORT_CLIENT_SECRET this organisation's? 'port-agent verify --event FILE' says what "
               "differs";
    case OBSERVED_UNSIGNED:
    case OBSERVED_TIMESTAMP_MALFORMED:
    case OBSERVED_OTHER_TOPICS:
        return "who writes to the topic? 'port-agent verify --event FILE' says what is wrong with the event";
    case OBSERVED_UNWANTED:
        return "'port-agent map --event FILE' shows why \"enabled\" of no mapping is true; nothing is wrong "
               "where another agent delivers it";
    default:
        return NULL;
    }
}
