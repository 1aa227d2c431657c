/* What to look at after a failure. Must never depend on more than the failure itself: a hint is a constant.
 */
#include "observe/observe.h"
#include <string.h>

const char *observed_hint(const char *error_type, bool has_letter)
{
    static const struct {
        const char *error, *hint;
    } hints[] = {
        {"tls_certificate", "if the endpoint's certificate authority is your own, set SSL_CERT_FILE"},
        {"tls", "does the endpoint speak TLS there? 'port-agent check --destination URL' goes the way to it "
                "step by step"},
        {"protocol", "does it speak HTTP there, and not TLS? 'port-agent check --destination URL' shows it"},
        {"timeout", "WEBHOOK_INVOKER_TIMEOUT is how long the endpoint may be silent"},
        {"connect_timeout", "WEBHOOK_INVOKER_TIMEOUT is how long connecting may take"},
        {"total_timeout", "WEBHOOK_TOTAL_TIMEOUT is how long a request may take in all"},
        {"redirect",
         "if the new location is right, use it in the action; WEBHOOK_FOLLOW_REDIRECTS says which "
         "are followed"},
        {"dns", "is the host's name right, and known where the agent runs?"},
        {"connect", "'port-agent check --destination URL' goes the way to the endpoint step by step"},
        {"egress", "EGRESS_ALLOW and EGRESS_DENY say where webhooks may go"},
        {"no_mapping", "'port-agent map' shows what each mapping makes of an event"},
        {"event_expired", "EVENT_MAX_AGE_SECONDS is how old an event may be"},
        {"signature_expired", "REPLAY_TOLERANCE_SECONDS is how old a signature may be"},
    };
    for (size_t i = 0; error_type && i < sizeof hints / sizeof *hints; i++)
        if (strcmp(hints[i].error, error_type) == 0)
            return hints[i].hint;
    return has_letter ? NULL : "nothing keeps the event: DEAD_LETTER_DIR would";
}
