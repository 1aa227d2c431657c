/* Environment, .env and NAME_FILE to one validated struct. One table (config_settings) feeds the loader,
 * --help and README.md. */
#pragma once
#include "base/error.h"
#include "base/log.h"
#include "base/slice.h"
#include "config/problems.h"
#include "config/retry_on.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum streamer { STREAMER_KAFKA, STREAMER_POLLING };

/** Where mappings are read from unless CONTROL_THE_PAYLOAD_CONFIG_PATH says otherwise. */
#define CONFIG_MAPPING_PATH "./control_the_payload_config.json"

struct polling_config {
    int64_t interval_ms; /* POLLING_INTERVAL_SECONDS, default 10; the next ones are POLLING_… as well */
    int64_t batch_size;  /* RUNS_BATCH_SIZE, default 100 */
    int64_t initial_backoff_ms; /* INITIAL_BACKOFF_SECONDS, default 1 */
    double backoff_factor;      /* BACKOFF_FACTOR, default 2 */
    double backoff_jitter;      /* BACKOFF_JITTER_FACTOR, default 0.1 of the wait, added at random */
    int64_t max_backoff_ms;     /* MAX_BACKOFF_SECONDS, default 300 */
    int64_t max_failure_ms;     /* MAX_FAILURE_DURATION_SECONDS, default 3600 */
};

/** Every text is owned by the config (never NULL: "" when not set). Durations carry their unit. */
struct config {
    char *org_id;                /* PORT_ORG_ID */
    char *client_id;             /* PORT_CLIENT_ID */
    struct secret client_secret; /* PORT_CLIENT_SECRET; value.ptr is owned, NUL-terminated */
    char *api_base_url;          /* PORT_API_BASE_URL, without trailing slash */
    enum streamer streamer;      /* STREAMER_NAME */
    bool local_port;             /* USING_LOCAL_PORT_INSTANCE */
    char *bootstrap_servers;     /* KAFKA_CONSUMER_BOOTSTRAP_SERVERS */
    char *security_protocol;     /* KAFKA_CONSUMER_SECURITY_PROTOCOL; lower case as librdkafka takes it:
                                    plaintext, ssl, sasl_plaintext, sasl_ssl */
    char *sasl_mechanism;        /* KAFKA_CONSUMER_AUTHENTICATION_MECHANISM, upper case; "" for none */
    char *group_id;              /* KAFKA_CONSUMER_GROUP_ID */
    char *group_instance_id;     /* KAFKA_CONSUMER_GROUP_INSTANCE_ID; "" for a dynamic member */
    char *group_protocol;        /* KAFKA_CONSUMER_GROUP_PROTOCOL: classic | consumer */
    char *assignment_strategy;  /* KAFKA_CONSUMER_ASSIGNMENT_STRATEGY: range,roundrobin | range | roundrobin |
                                   cooperative-sticky */
    int64_t session_timeout_ms; /* KAFKA_CONSUMER_SESSION_TIMEOUT_MS */
    char *auto_offset_reset;    /* KAFKA_CONSUMER_AUTO_OFFSET_RESET, normalised to earliest or latest */
    char *runs_topic;           /* KAFKA_RUNS_TOPIC */
    char *change_log_topic;     /* KAFKA_CHANGE_LOG_TOPIC */
    struct polling_config polling;
    char *mapping_path;                    /* CONTROL_THE_PAYLOAD_CONFIG_PATH */
    int64_t mapping_timeout_ms;            /* MAPPING_TIMEOUT (seconds of processor time), default 2 */
    int64_t mapping_max_memory;            /* MAPPING_MAX_MEMORY, default 64 MiB */
    char *mapping_miss;                    /* MAPPING_MISS: report | skip */
    int64_t invoker_timeout_ms;            /* WEBHOOK_INVOKER_TIMEOUT (seconds, decimals allowed) */
    int64_t total_timeout_ms;              /* WEBHOOK_TOTAL_TIMEOUT (seconds), default 300 */
    int64_t max_in_flight;                 /* WEBHOOK_MAX_IN_FLIGHT, default 256, 1 to 10000 */
    int64_t max_in_flight_per_destination; /* WEBHOOK_MAX_IN_FLIGHT_PER_DESTINATION; 0: no bound of its own */
    struct retry_on retry_on;              /* WEBHOOK_RETRY_ON */
    int64_t retry_max_attempts;            /* WEBHOOK_RETRY_MAX_ATTEMPTS, the first included; default 5 */
    int64_t retry_max_elapsed_ms;          /* WEBHOOK_RETRY_MAX_ELAPSED, default 120 s */
    int64_t retry_initial_backoff_ms;      /* WEBHOOK_RETRY_INITIAL_BACKOFF, default 0.5 s */
    int64_t retry_max_backoff_ms;          /* WEBHOOK_RETRY_MAX_BACKOFF, default 30 s */
    int64_t breaker_failures;              /* WEBHOOK_BREAKER_FAILURES, default 10; 0: no breaker */
    int64_t dedup_window;                  /* DEDUP_WINDOW, records; default 10000; 0: off */
    int64_t event_max_age_ms;              /* EVENT_MAX_AGE_SECONDS; 0: off */
    int64_t max_response_bytes;            /* WEBHOOK_MAX_RESPONSE_BYTES, default 1 MiB */
    int64_t total_response_bytes;          /* WEBHOOK_TOTAL_RESPONSE_BYTES, default 32 MiB */
    bool verify_tls;                       /* WEBHOOK_VERIFY_SSL */
    char *http_version;                    /* WEBHOOK_HTTP_VERSION: 1.1 | 2 (1.1 where libcurl is too old) */
    char *follow_redirects;                /* WEBHOOK_FOLLOW_REDIRECTS: none | same-host | all */
    char *egress_allow, *egress_deny;      /* EGRESS_ALLOW, EGRESS_DENY: http/egress.h says how */
    int64_t queue_max_bytes;               /* QUEUE_MAX_BYTES, default 16 MiB, at least 1 MiB */
    int64_t record_max_bytes;              /* RECORD_MAX_BYTES, default 32 MiB */
    int64_t drain_timeout_ms;              /* DRAIN_TIMEOUT_SECONDS, default 8 */
    char *dead_letter_topic;               /* DEAD_LETTER_TOPIC; at most one of the two is set */
    char *dead_letter_dir;                 /* DEAD_LETTER_DIR */
    int64_t dead_letter_max_bytes;         /* DEAD_LETTER_MAX_BYTES, default 1 GiB */
    bool run_logs;                         /* RUN_LOGS, default on */
    bool detailed_logging;                 /* DETAILED_LOGGING, default true */
    char *http_proxy;  /* HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, either case; the first two hold the */
    char *https_proxy; /* third's value where they are not set themselves. May contain a password */
    char *all_proxy;
    const char *http_proxy_setting,
        *https_proxy_setting;   /* where each comes from: "HTTP_PROXY", "ALL_PROXY" … */
    char *no_proxy;             /* NO_PROXY */
    char *ssl_cert_file;        /* SSL_CERT_FILE */
    char *requests_ca_bundle;   /* REQUESTS_CA_BUNDLE */
    enum log_level log_level;   /* LOG_LEVEL */
    enum log_format log_format; /* LOG_FORMAT json|text; unset: text when stdout is a terminal */
    bool log_colour;            /* text on a terminal and NO_COLOR unset or empty */
    char **dotenv_environment;  /* NAME=value of .env where the environment has no NAME, NULL at the end: what
                                   mappings see through `env` beside the environment */
    struct buffer warnings;     /* what is odd but works (lines of .env that cannot be read), a line each */
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
};

/** Loads and validates. 0; PA_ERR_INVALID, and `problems` (empty before) holds all of them; PA_ERR_MEMORY. In
 * all cases release both, with config_clear and setting_problems_clear. */
int config_load(struct config *config, const struct config_input *input, struct setting_problems *problems);
void config_clear(struct config *config);

/** Kafka's own rule for a topic's name (org.apache.kafka.common.internals.Topic), and its words. librdkafka
 * would take a name that begins with ^ for a regular expression. */
bool config_is_topic_name(const char *name);
#define CONFIG_TOPIC_NAME_RULE "letters, digits, '.', '_' and '-', at most 249 characters"

/** Writes the settings as they stand in the table: for --help (plain) and README.md (a Markdown table). */
void config_print_help(FILE *out);
void config_print_markdown(FILE *out);
