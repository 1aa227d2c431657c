/* See token.h. */
#include "port/token.h"
#include "base/secrets.h"
#include <cjson/cJSON.h>
#include <string.h>

static const double DEFAULT_LIFETIME_S = 3600, LIFETIME_MAX_S = 30.0 * 24 * 3600;

bool port_token_question(const char *client_id, struct slice client_secret, struct buffer *body)
{
    body->len = 0;
    buffer_append_text(body, "{\"clientId\":");
    buffer_append_json_string(body, slice_of(client_id));
    buffer_append_text(body, ",\"clientSecret\":");
    buffer_append_json_string(body, client_secret);
    buffer_append_char(body, '}');
    bool written = !body->failed;
    body->failed = false; /* what there is of it serves again */
    return written;
}

/** What may stand in a header line. */
static bool is_sendable(const char *token)
{
    for (const char *c = token; *c; c++)
        if (*c <= ' ' || *c > '~')
            return false;
    return *token != '\0';
}

char *port_token_parse(struct slice body, double *lifetime_s)
{
    cJSON *answer = cJSON_ParseWithLength(body.ptr ? body.ptr : "", body.len);
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(answer, "accessToken");
    const cJSON *lifetime = cJSON_GetObjectItemCaseSensitive(answer, "expiresIn");
    char *text = cJSON_IsString(token) && is_sendable(token->valuestring) ? strdup(token->valuestring) : NULL;
    double seconds =
        cJSON_IsNumber(lifetime) && lifetime->valuedouble > 0 ? lifetime->valuedouble : DEFAULT_LIFETIME_S;
    *lifetime_s = seconds < LIFETIME_MAX_S ? seconds : LIFETIME_MAX_S;
    cJSON_Delete(answer);
    return text;
}

void token_mask(struct secrets *secrets, const struct buffer *header)
{
    const size_t scheme = sizeof "Bearer " - 1;
    if (header->len > scheme)
        secrets_add(secrets, (struct slice){header->ptr + scheme, header->len - scheme}, SECRET_MIN);
}
