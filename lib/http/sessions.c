/* TLS sessions, so that a new connection need not shake hands in full. libcurl keeps them: two of a
 * destination in each place, none of which it uses twice (RFC 8446, appendix C.4). An endpoint that ends its
 * connections ends many at once, so there are several places. */
#include "http/client_internal.h"

void sessions_choose(struct client_shared *shared, CURL *easy, uint64_t origin)
{
    uint64_t now = uv_now(shared->options.loop);
    shared->begun_together = now == shared->begun_ms ? shared->begun_together + 1 : 0;
    shared->begun_ms = now;
    CURLSH **sessions = &shared->sessions[(origin + shared->begun_together) % SESSION_PLACES];
    if (!*sessions && (*sessions = curl_share_init()) != NULL)
        curl_share_setopt(*sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_easy_setopt(easy, CURLOPT_SHARE, *sessions); /* NULL: those of the multi handle */
}

void sessions_clear(struct client_shared *shared)
{
    for (size_t i = 0; i < SESSION_PLACES; i++)
        if (shared->sessions[i])
            curl_share_cleanup(shared->sessions[i]);
}
