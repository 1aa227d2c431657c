/* See http_options.h. */
#include "http_options.h"
#include "base/version.h"

struct http_client_options http_options(const struct config *config, const struct authorities *authorities)
{
    return (struct http_client_options){.user_agent = agent_user_agent,
                                        .verify_tls = true,
                                        .redirects = HTTP_REDIRECTS_NONE,
                                        .http2 = http_client_can_http2(),
                                        .authorities = authorities,
                                        .http_proxy = config->http_proxy,
                                        .https_proxy = config->https_proxy,
                                        .http_proxy_setting = config->http_proxy_setting,
                                        .https_proxy_setting = config->https_proxy_setting,
                                        .no_proxy = config->no_proxy};
}
