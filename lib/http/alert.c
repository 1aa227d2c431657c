/* What a server says of our certificate: a TLS alert (RFC 8446, section 6.2), of which libcurl has OpenSSL's
 * words alone. With TLS 1.3 it comes once the client's end of the handshake is over, in place of an answer.
 */
#include "http/client_internal.h"
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum verdict {
    NOTHING,
    /** None was shown where one is wanted. */
    WANTED,
    /** Or no cipher is common to both: the alert is the same. */
    PERHAPS_WANTED,
    PERHAPS_REFUSED,
    REFUSED
};

bool handshake_was_cut_off(const struct http_call *call)
{
    long connections = 0;
    if (call->sends == 0 || strncasecmp(call->url, "https:", 6) != 0 || request_is_written(call))
        return false;
    if (call->ours)
        return !call->exchange.reused;
    curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connections);
    return connections > 0;
}

static enum verdict verdict_of(const struct http_call *call)
{
    static const struct {
        const char *words;
        enum verdict without, with;
    } alerts[] = {{" alert certificate required", WANTED, REFUSED},
                  {" alert bad certificate", WANTED, REFUSED},
                  {" alert unsupported certificate", NOTHING, REFUSED},
                  {" alert certificate revoked", NOTHING, REFUSED},
                  {" alert certificate expired", NOTHING, REFUSED},
                  {" alert certificate unknown", NOTHING, REFUSED},
                  {" alert unknown ca", NOTHING, REFUSED},
                  {" alert access denied", NOTHING, REFUSED},
                  {" alert handshake failure", PERHAPS_WANTED, NOTHING}};
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (strstr(call->curl_error, alerts[i].words))
            return call->certificate ? alerts[i].with : alerts[i].without;
    return handshake_was_cut_off(call) ? (call->certificate ? PERHAPS_REFUSED : PERHAPS_WANTED) : NOTHING;
}

bool alert_came_for_an_answer(const struct http_call *call)
{
    enum verdict verdict = verdict_of(call);
    return (verdict == WANTED || verdict == REFUSED) && call->received == 0 && call->header_bytes == 0;
}

void alert_hint(const struct http_call *call, char *out, size_t size)
{
    const struct http_client_options *options = &call->shared->options;
    const char *setting = options->client_certificate_setting ? options->client_certificate_setting : "";
    const char *see = *setting ? ": see " : "";
    enum verdict verdict = verdict_of(call);
    bool left = call->elsewhere && options->client_certificates;
    *out = '\0';
    if (verdict == REFUSED || verdict == PERHAPS_REFUSED)
        snprintf(out, size, "; %s the client certificate%s%s",
                 verdict == REFUSED ? "it refuses" : "perhaps it refuses", *setting ? " of " : "", setting);
    else if (verdict != NOTHING && left)
        snprintf(out, size, "; a redirect to another origin takes no client certificate along");
    else if (verdict != NOTHING)
        snprintf(out, size, "; %s a client certificate%s%s",
                 verdict == WANTED ? "it wants" : "perhaps it wants", see, setting);
}
