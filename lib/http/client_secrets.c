/* What of a client's own settings an answer may say and nobody may show. It must not change the client. */
#include "http/client_internal.h"

void http_client_secrets(struct http_client *client, struct secrets *out)
{
    const struct client_shared *shared = client_shared(client);
    secrets_add_user_info(out, buffer_slice(&shared->http_proxy.plain));
    secrets_add_user_info(out, buffer_slice(&shared->https_proxy.plain));
}
