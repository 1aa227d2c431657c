/* What the commands read: files or standard input, and the settings they need (some can do without most of
 * them). */
#pragma once
#include "config/config.h"

/** Names of settings, for commands that need them: how webhooks, Port's API and the brokers are reached. */
#define SETTINGS_OF_PROXIES "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"
#define SETTINGS_OF_AUTHORITIES "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"
#define SETTINGS_OF_CLIENT_CERTIFICATES                                                         \
    "WEBHOOK_CLIENT_CERT", "WEBHOOK_CLIENT_KEY", "PORT_API_CLIENT_CERT", "PORT_API_CLIENT_KEY", \
        "KAFKA_CONSUMER_SSL_CERTIFICATE", "KAFKA_CONSUMER_SSL_KEY"
#define SETTINGS_OF_BROKERS                                                               \
    "PORT_API_BASE_URL", "USING_LOCAL_PORT_INSTANCE", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS", \
        "KAFKA_CONSUMER_SECURITY_PROTOCOL", "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM"
#define SETTINGS_OF_TOPICS "PORT_ORG_ID", "KAFKA_RUNS_TOPIC", "KAFKA_CHANGE_LOG_TOPIC"

/** A file, or standard input for "-" and NULL, with at most `max` bytes, appended to `out`. 0;
 * PA_ERR_NOT_FOUND, PA_ERR_IO, PA_ERR_TOO_LARGE or PA_ERR_MEMORY with the cause in err, which names the file.
 */
PA_MUST_USE int input_read(const char *path, size_t max, struct buffer *out, struct error *err);
/** config_load, with the sentence of every problem as a line in `lines`. 0, PA_ERR_INVALID, PA_ERR_MEMORY;
 * config_clear in all cases. */
PA_MUST_USE int input_load(struct config *config, const struct config_input *input, struct buffer *lines);
/** Loads the environment and .env for a command that needs the `count` settings in `names` at most: problems
 * of others are left out, and that a setting is not set is no problem here. Warnings go to standard error. 0,
 * PA_ERR_INVALID with a line per problem, PA_ERR_MEMORY; config_clear in all cases. */
PA_MUST_USE int input_settings(struct config *config, const char *const *names, size_t count,
                               struct buffer *problems);
