#include "config/table.h"
#include <stddef.h>

#define AT(member) .offset = offsetof(struct config, member)

static const struct setting_choice STREAMERS[] = {
    {"KAFKA", "KAFKA"}, {"KafkaToWebhookStreamer", "KAFKA"}, {"POLLING", "POLLING"}, {NULL, NULL}};
static const struct setting_choice PROTOCOLS[] = {{"plaintext", "plaintext"},
                                                  {"ssl", "ssl"},
                                                  {"sasl_plaintext", "sasl_plaintext"},
                                                  {"sasl_ssl", "sasl_ssl"},
                                                  {NULL, NULL}};
static const struct setting_choice MECHANISMS[] = {{"none", ""},
                                                   {"PLAIN", "PLAIN"},
                                                   {"SCRAM-SHA-256", "SCRAM-SHA-256"},
                                                   {"SCRAM-SHA-512", "SCRAM-SHA-512"},
                                                   {NULL, NULL}};
static const struct setting_choice RESETS[] = {{"earliest", "earliest"}, {"latest", "latest"},   {"smallest", "earliest"},
                                               {"largest", "latest"},    {"beginning", "earliest"}, {"end", "latest"},
                                               {NULL, NULL}};
static const struct setting_choice STRATEGIES[] = {{"range,roundrobin", "range,roundrobin"},
                                                   {"range", "range"},
                                                   {"roundrobin", "roundrobin"},
                                                   {"cooperative-sticky", "cooperative-sticky"},
                                                   {NULL, NULL}};
static const struct setting_choice FORMATS[] = {{"json", "json"}, {"text", "text"}, {NULL, NULL}};

const struct setting config_settings[] = {
    {.name = "PORT_ORG_ID", .kind = SETTING_TEXT, .required = true, AT(org_id), .help = "organisation whose topics are consumed"},
    {.name = "PORT_CLIENT_ID", .kind = SETTING_TEXT, .required = true, AT(client_id), .help = "Port API client id"},
    {.name = "PORT_CLIENT_SECRET", .kind = SETTING_SECRET, .required = true, AT(client_secret),
     .help = "Port API client secret; also the key of every signature"},
    {.name = "PORT_API_BASE_URL", .kind = SETTING_URL, .fallback = "https://api.getport.io", AT(api_base_url),
     .help = "Port API; a trailing slash is tolerated"},
    {.name = "STREAMER_NAME", .kind = SETTING_CHOICE, .fallback = "KAFKA", .choices = STREAMERS, AT(streamer),
     .help = "where invocations come from (POLLING is not available in this version)"},
    {.name = "USING_LOCAL_PORT_INSTANCE", .kind = SETTING_BOOLEAN, .fallback = "false", AT(local_port),
     .help = "true: brokers come from the next setting, no credentials are fetched"},
    {.name = "KAFKA_CONSUMER_BOOTSTRAP_SERVERS", .kind = SETTING_TEXT, AT(bootstrap_servers),
     .help = "brokers, host:port with commas; only with, and then required by, the setting above"},
    {.name = "KAFKA_CONSUMER_SECURITY_PROTOCOL", .kind = SETTING_CHOICE, .choices = PROTOCOLS, AT(security_protocol),
     .help = "plaintext; sasl_ssl when the credentials come from Port and neither this nor the next is set"},
    {.name = "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM", .kind = SETTING_CHOICE, .choices = MECHANISMS, AT(sasl_mechanism),
     .help = "none; SCRAM-SHA-512 in the case above"},
    {.name = "KAFKA_CONSUMER_GROUP_ID", .kind = SETTING_TEXT, AT(group_id), .help = "consumer group; required with Kafka"},
    {.name = "KAFKA_CONSUMER_ASSIGNMENT_STRATEGY", .kind = SETTING_CHOICE, .fallback = "range,roundrobin", .choices = STRATEGIES,
     AT(assignment_strategy), .help = "eager strategies and cooperative-sticky cannot be mixed in one group"},
    {.name = "KAFKA_CONSUMER_SESSION_TIMEOUT_MS", .kind = SETTING_INTEGER, .fallback = "45000", .minimum = 1, .maximum = 3600000,
     AT(session_timeout_ms), .help = "milliseconds of silence after which the group takes our partitions away"},
    {.name = "KAFKA_CONSUMER_AUTO_OFFSET_RESET", .kind = SETTING_CHOICE, .fallback = "earliest", .choices = RESETS,
     AT(auto_offset_reset), .help = "where a partition without a committed offset starts"},
    {.name = "KAFKA_RUNS_TOPIC", .kind = SETTING_TEXT, AT(runs_topic), .help = "{PORT_ORG_ID}.runs"},
    {.name = "KAFKA_CHANGE_LOG_TOPIC", .kind = SETTING_TEXT, AT(change_log_topic), .help = "{PORT_ORG_ID}.change.log"},
    {.name = "WEBHOOK_INVOKER_TIMEOUT", .kind = SETTING_SECONDS, .fallback = "30", .minimum = 0.001, .maximum = 86400,
     AT(invoker_timeout_ms), .help = "seconds for connecting, and for each silence of the endpoint"},
    {.name = "WEBHOOK_TOTAL_TIMEOUT", .kind = SETTING_SECONDS, .fallback = "300", .minimum = 0.001, .maximum = 86400,
     AT(total_timeout_ms), .help = "seconds for a whole delivery, redirects included"},
    {.name = "WEBHOOK_VERIFY_SSL", .kind = SETTING_BOOLEAN, .fallback = "true", AT(verify_tls),
     .help = "false: certificates of webhook endpoints are not checked"},
    {.name = "WEBHOOK_MAX_IN_FLIGHT", .kind = SETTING_INTEGER, .fallback = "256", .minimum = 1, .maximum = 10000, AT(max_in_flight),
     .help = "deliveries in progress at once"},
    {.name = "WEBHOOK_MAX_RESPONSE_BYTES", .kind = SETTING_BYTES, .fallback = "1MiB", .minimum = 1024, .maximum = 1073741824,
     AT(max_response_bytes), .help = "decoded response bytes kept; the rest is cut"},
    {.name = "QUEUE_MAX_BYTES", .kind = SETTING_BYTES, .fallback = "16MiB", .minimum = 1048576, .maximum = 17179869184,
     AT(queue_max_bytes), .help = "records held in memory, librdkafka's prefetch included"},
    {.name = "RECORD_MAX_BYTES", .kind = SETTING_BYTES, .fallback = "32MiB", .minimum = 1024, .maximum = 1000000000,
     AT(record_max_bytes), .help = "a larger record is skipped"},
    {.name = "DRAIN_TIMEOUT_SECONDS", .kind = SETTING_SECONDS, .fallback = "8", .minimum = 0, .maximum = 86400, AT(drain_timeout_ms),
     .help = "seconds that deliveries in flight get on SIGTERM and on revocation"},
    {.name = "RUN_LOGS", .kind = SETTING_BOOLEAN, .fallback = "on", AT(run_logs), .help = "progress logs in Port's run page"},
    {.name = "DETAILED_LOGGING", .kind = SETTING_BOOLEAN, .fallback = "true", AT(detailed_logging),
     .help = "the endpoint's answer (8 KiB) in failure summaries, run logs and log lines"},
    {.name = "LOG_LEVEL", .kind = SETTING_LEVEL, .fallback = "INFO", AT(log_level), .help = "DEBUG, INFO, WARNING, ERROR, CRITICAL"},
    {.name = "LOG_FORMAT", .kind = SETTING_CHOICE, .choices = FORMATS, AT(log_format),
     .help = "json, or text (the default on a terminal; NO_COLOR turns its colour off)"},
};
const size_t config_setting_count = sizeof config_settings / sizeof *config_settings;

static const char *default_of(const struct setting *setting)
{
    return setting->required ? "required" : setting->fallback ? setting->fallback : "";
}

void config_print_help(FILE *out)
{
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        const char *fallback = default_of(setting);
        fprintf(out, "  %-40s %s%s%s%s\n", setting->name, setting->help, *fallback ? " [" : "", fallback, *fallback ? "]" : "");
    }
    fputs("\nEach may also be given as NAME_FILE: the setting is then the content of that file.\n", out);
}

void config_print_markdown(FILE *out)
{
    fputs("| setting | default | meaning |\n|---|---|---|\n", out);
    for (size_t i = 0; i < config_setting_count; i++)
        fprintf(out, "| `%s` | %s | %s |\n", config_settings[i].name, default_of(&config_settings[i]), config_settings[i].help);
}
