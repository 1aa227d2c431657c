/* Environment, .env and NAME_FILE to one validated struct. One table (config_settings) feeds the loader,
 * --help and docs/settings.md. */
#pragma once
#include "base/buffer.h"
#include "base/error.h"
#include "base/log.h"
#include "config/problems.h"
#include "config/retry_on.h"
#include "http/client.h"
#include "http/client_certificates.h"
#include "trace/context.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum streamer { STREAMER_KAFKA, STREAMER_POLLING };
enum mapping_miss { MAPPING_MISS_REPORT, MAPPING_MISS_SKIP };
enum webhook_http { WEBHOOK_HTTP_1_1, WEBHOOK_HTTP_2 };

/** Where a setting's value comes from. */
enum setting_origin { ORIGIN_DEFAULT, ORIGIN_ENVIRONMENT, ORIGIN_DOTENV, ORIGIN_FILE };
/** As many settings as the table may have. */
enum { CONFIG_SETTINGS_MAX = 128 };

/** Where mappings are read from unless CONTROL_THE_PAYLOAD_CONFIG_PATH says otherwise. */
#define CONFIG_MAPPING_PATH "./control_the_payload_config.json"

struct polling_config {
    int64_t interval_ms;
    int64_t batch_size;
    int64_t initial_backoff_ms;
    double backoff_factor;
    /** The part of the wait that is added at random. */
    double backoff_jitter;
    int64_t max_backoff_ms;
    int64_t max_failure_ms;
};

/** OpenTelemetry's settings: as they are written, then what they mean. */
struct tracing_config {
    char *endpoint, *traces_endpoint, *protocol, *timeout, *exporter, *disabled, *sampler, *sampler_argument;
    char *service_name, *resource_attributes;
    /** As client_secret; pairs. */
    struct secret headers;
    /** Where spans are posted; owned; NULL: nowhere, and no trace is recorded. */
    char *url;
    int64_t timeout_ms;
    enum trace_sampling sampling;
    bool by_parent;
    double ratio;
};

/** What the settings mean. table.c says which setting fills which member, its default and its bounds; here
 * stands what the setting's help does not say. Every text is owned by the config (never NULL: "" when not
 * set). Durations carry their unit. */
struct config {
    char *org_id;
    char *client_id;
    /** value.ptr is owned, and ends in NUL. */
    struct secret client_secret;
    /** The one before it, as client_secret; no bytes: none. */
    struct secret client_secret_previous;
    /** Without a slash at its end. */
    char *api_base_url;
    /** "": what these pairs say is in the next three, read and checked. */
    char *webhook_client_cert, *webhook_client_key, *port_api_client_cert, *port_api_client_key;
    char *kafka_ssl_certificate, *kafka_ssl_key;
    /** Owned; NULL: none. */
    struct client_certificates *webhook_certificates, *port_api_certificates;
    /** Its path is "": none. */
    struct client_certificate kafka_certificate;
    enum streamer streamer;
    bool local_port;
    char *bootstrap_servers;
    /** As librdkafka takes it: plaintext, ssl, sasl_plaintext or sasl_ssl; never "". */
    char *security_protocol;
    /** Upper case; "" for none. */
    char *sasl_mechanism;
    char *group_id;
    /** "" for a dynamic member. */
    char *group_instance_id;
    char *group_protocol;
    char *assignment_strategy;
    int64_t session_timeout_ms;
    /** earliest or latest. */
    char *auto_offset_reset;
    char *runs_topic;
    char *change_log_topic;
    struct polling_config polling;
    char *mapping_path;
    /** Of processor time. */
    int64_t mapping_timeout_ms;
    int64_t mapping_max_memory;
    enum mapping_miss mapping_miss;
    int64_t invoker_timeout_ms;
    int64_t total_timeout_ms;
    int64_t max_in_flight;
    int64_t max_in_flight_per_destination;
    struct retry_on retry_on;
    int64_t retry_max_attempts;
    int64_t retry_max_elapsed_ms;
    int64_t retry_initial_backoff_ms;
    int64_t retry_max_backoff_ms;
    int64_t breaker_failures;
    int64_t dedup_window;
    int64_t event_max_age_ms;
    int64_t replay_tolerance_ms;
    int64_t max_response_bytes;
    int64_t total_response_bytes;
    bool verify_tls;
    /** 1.1 where libcurl is too old for 2. */
    enum webhook_http http_version;
    enum http_redirects follow_redirects;
    /** http/egress.h says how they are read. */
    char *egress_allow, *egress_deny;
    int64_t queue_max_bytes;
    int64_t record_max_bytes;
    int64_t drain_timeout_ms;
    /** At most one of the two is set. */
    char *dead_letter_topic, *dead_letter_dir;
    int64_t dead_letter_max_bytes;
    bool run_logs;
    bool detailed_logging;
    /** A plain success has a line. */
    bool log_successes;
    /** Every line names the service. */
    bool log_resource;
    bool log_url_paths;
    /** The first two hold the third's value where they are not set themselves. May contain a password. */
    char *http_proxy, *https_proxy, *all_proxy;
    /** The setting that each comes from: "HTTP_PROXY", "ALL_PROXY" … */
    const char *http_proxy_setting, *https_proxy_setting;
    char *no_proxy;
    char *ssl_cert_file;
    char *requests_ca_bundle;
    /** "": as organisation and group say. */
    char *status_socket;
    /** "": no port. */
    char *admin_listen;
    /** As client_secret; no bytes: none. */
    struct secret admin_token;
    int64_t liveness_stall_ms;
    struct tracing_config tracing;
    enum log_level log_level;
    enum log_format log_format;
    /** Text on a terminal that is not "dumb", and NO_COLOR is not set or empty. */
    bool log_colour;
    /** NAME=value of .env where the environment has no NAME, NULL at the end: what mappings see through `env`
     * beside the environment. */
    char **dotenv_environment;
    /** What is odd but works (lines of .env that cannot be read, say), a line each. */
    struct buffer warnings;
    /** The paths of the files that settings were read from (NAME_FILE, certificates), each ended by a NUL. */
    struct buffer files;
    int64_t reload_interval_ms;
    /** Of each setting, by its place in the table: enum setting_origin. */
    unsigned char origins[CONFIG_SETTINGS_MAX];
};

/** What the loader reads; tests pass their own. */
struct config_input {
    /** NAME=value strings, NULL at the end (environ). */
    char **environment;
    /** ".env"; NULL or a missing file: none. */
    const char *dotenv_path;
    bool stdout_is_terminal;
    /** The names of the only settings that a command reads: others may be wrong, and none must be set. NULL:
     * all, and what is required must be set. Borrowed during the call. */
    const char *const *needs;
    size_t needs_count;
    /** A running agent reads once more: a pipe that nobody writes to now is not waited for. */
    bool again;
    /** Otherwise it is waited for so long; 0: as value_file.h says. */
    int pipe_ms;
};

/** Loads and validates. 0; PA_ERR_INVALID, and `problems` (empty before) holds all of them; PA_ERR_MEMORY. In
 * all cases release both, with config_clear and setting_problems_clear. */
PA_MUST_USE int config_load(struct config *config, const struct config_input *input,
                            struct setting_problems *problems);
void config_clear(struct config *config);
/** Wipes every text and every secret, and drops the client certificates, for a process that was forked
 * and needs none of them: all are empty afterwards. What .env gave beside them stays. */
void config_forget_secrets(struct config *config);
/** The half of QUEUE_MAX_BYTES that deliveries may hold; the other half is for what the source has fetched.
 */
static inline int64_t config_records_bytes(const struct config *config)
{
    return config->queue_max_bytes / 2;
}
/** Takes every setting out of this process's environment, in each form in which it is read. */
void config_hide(void);

/** Kafka's own rule for a topic's name (org.apache.kafka.common.internals.Topic), and its words. librdkafka
 * would take a name that begins with ^ for a regular expression. */
PA_MUST_USE bool config_is_topic_name(const char *name);
#define CONFIG_TOPIC_NAME_RULE "letters, digits, '.', '_' and '-', at most 249 characters"

/** A setting as users are told of it; the texts live for ever. */
struct setting_words {
    const char *name, *meaning;
    /** NULL: none. */
    const char *fallback;
    bool required;
};
/** The setting at `index`, from 0 on. False: there are no more. */
PA_MUST_USE bool config_setting_words(size_t index, struct setting_words *out);
