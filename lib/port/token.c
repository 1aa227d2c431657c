/* See token.h. */
#include "port/token.h"
#include "base/json_tree.h"
#include "base/secrets.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_LIFETIME_S = 3600, LIFETIME_MAX_S = 30.0 * 24 * 3600, MARGIN_S = 60;

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

bool port_token_parse(struct slice body, struct port_token *out)
{
    cJSON *answer = json_tree(body, NULL);
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(answer, "accessToken");
    const cJSON *lifetime = cJSON_GetObjectItemCaseSensitive(answer, "expiresIn");
    double seconds =
        cJSON_IsNumber(lifetime) && lifetime->valuedouble > 0 ? lifetime->valuedouble : DEFAULT_LIFETIME_S;
    seconds = seconds < LIFETIME_MAX_S ? seconds : LIFETIME_MAX_S;
    double margin = seconds / 10 > MARGIN_S ? seconds / 10 : MARGIN_S;
    double kept = seconds - margin > seconds / 2 ? seconds - margin : seconds * 0.8;
    out->text = cJSON_IsString(token) && is_sendable(token->valuestring) ? strdup(token->valuestring) : NULL;
    out->lifetime_ms = (int64_t)(seconds * 1000);
    out->kept_ms = (int64_t)(kept * 1000);
    cJSON_Delete(answer);
    return out->text != NULL;
}

void port_token_use(struct port_token *token, struct buffer *header)
{
    buffer_append_text(header, "Bearer ");
    buffer_append_text(header, token->text);
    explicit_bzero(token->text, strlen(token->text));
    free(token->text);
    token->text = NULL;
}

void port_token_retire(struct buffer *header, struct buffer *old_header)
{
    struct buffer old = *old_header;
    if (header->len == 0)
        return;
    if (old.ptr)
        explicit_bzero(old.ptr, old.cap);
    old.len = 0;
    *old_header = *header;
    *header = old;
}

void token_mask(struct secrets *secrets, const struct buffer *header)
{
    const size_t scheme = sizeof "Bearer " - 1;
    if (header->len > scheme)
        secrets_add(secrets, (struct slice){header->ptr + scheme, header->len - scheme}, SECRET_MIN);
}
