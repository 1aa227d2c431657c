/* Where the letters are, and how to get there. */
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/kafka_login.h"
#include "dead_letters.h"
#include "http/authorities.h"
#include <stdlib.h>
#include <string.h>

/* Opening */

static struct dead_letter_reader *open_topic(const char *topic, const struct config *config,
                                             const struct authorities *authorities, struct error *err)
{
    struct kafka_credentials credentials;
    struct dead_letter_reader *reader = NULL;
    struct kafka_connection connection;
    int failed = kafka_reach(config, authorities, &credentials, &connection, err);
    if (!failed)
        reader = dead_letter_reader_topic(&connection, topic, (size_t)config->record_max_bytes, err);
    kafka_credentials_clear(&credentials);
    return reader;
}

static int tell_place(const struct command_usage *usage, const struct error *err)
{
    fprintf(stderr, "port-agent %s: %s\n", usage->command, err->message);
    return err->kind == PA_ERR_INVALID ? EXIT_CODE_CONFIG : EXIT_CODE_FAILURE;
}

int letters_open_with(struct letters_place *place, const struct command_usage *usage,
                      const struct config *config, const struct authorities *authorities)
{
    struct error err = {0};
    const char *directory = place->topic ? "" : place->directory ? place->directory : config->dead_letter_dir;
    const char *topic = place->directory ? "" : place->topic ? place->topic : config->dead_letter_topic;
    if (!*directory && !*topic) {
        error_set(
            &err, PA_ERR_INVALID,
            "no place for dead letters is set; set DEAD_LETTER_DIR or DEAD_LETTER_TOPIC, or give --dir or "
            "--topic");
        return tell_place(usage, &err);
    }
    place->reader = *directory
                        ? dead_letter_reader_directory(directory, (size_t)config->record_max_bytes, &err)
                        : open_topic(topic, config, authorities, &err);
    return place->reader ? EXIT_CODE_OK : tell_place(usage, &err);
}

/* Telling what is wrong with letters */

void letters_tell_broken(void *ctx, const char *where, const char *why)
{
    print_refusal(ctx, "no letter", where, why);
}

/** What list and show mark letters by. Without it they show them all the same. */
static void open_check(struct letters_place *place, const struct command_usage *usage)
{
    const struct config *config = &place->config;
    bool topics = config->org_id &&
                  (*config->org_id || (*config->runs_topic != '.' && *config->change_log_topic != '.'));
    if (topics && config->client_secret.value.len > 0)
        place->check = letter_check_new(config->client_secret.value, config->client_secret_previous.value,
                                        config->runs_topic, config->change_log_topic);
    if (!place->check)
        fprintf(
            stderr,
            "port-agent %s: note: which letters a replay would refuse is not known: PORT_CLIENT_SECRET and "
            "PORT_ORG_ID say so\n",
            usage->command);
}

/* Opening for list and show */

/** The settings that say where the letters are and how to get there; others may be wrong or missing. */
static int load_place_settings(struct config *config)
{
    static const char *const names[] = {"DEAD_LETTER_DIR",
                                        "DEAD_LETTER_TOPIC",
                                        "DEAD_LETTER_MAX_BYTES",
                                        "PORT_CLIENT_SECRET",
                                        "KAFKA_CONSUMER_SSL_CERTIFICATE",
                                        "KAFKA_CONSUMER_SSL_KEY",
                                        "PORT_API_CLIENT_CERT",
                                        "PORT_API_CLIENT_KEY",
                                        "RECORD_MAX_BYTES",
                                        SETTINGS_OF_TOPICS,
                                        SETTINGS_OF_BROKERS,
                                        SETTINGS_OF_PROXIES};
    struct buffer problems = {0};
    int failed = input_settings(config, names, sizeof names / sizeof *names, &problems);
    fputs(failed == PA_ERR_MEMORY ? "port-agent: out of memory\n" : buffer_text(&problems), stderr);
    buffer_clear(&problems);
    return failed == 0 ? EXIT_CODE_OK : failed == PA_ERR_MEMORY ? EXIT_CODE_FAILURE : EXIT_CODE_CONFIG;
}

static int open_trusting(struct letters_place *place, const struct command_usage *usage,
                         const struct config *config)
{
    struct authorities_options options = {.ssl_cert_file = config->ssl_cert_file,
                                          .requests_ca_bundle = config->requests_ca_bundle,
                                          .directory = AUTHORITIES_DIRECTORY};
    struct error err = {0};
    struct authorities *authorities = authorities_new(&options, &err);
    if (!authorities)
        return tell_place(usage, &err);
    int code = letters_open_with(place, usage, config, authorities);
    authorities_free(authorities);
    return code;
}

int letters_place_check(const struct letters_place *place, const struct command_usage *usage)
{
    if (place->directory && place->topic)
        return options_wrong(usage, "--dir and --topic are both given");
    if (place->topic && !config_is_topic_name(place->topic))
        return options_wrong(usage, "--topic: '%s' is not the name of a topic: " CONFIG_TOPIC_NAME_RULE,
                             place->topic);
    return EXIT_CODE_OK;
}

int letters_open(struct letters_place *place, const struct command_usage *usage)
{
    struct error err = {0};
    int wrong = letters_place_check(place, usage);
    if (wrong != EXIT_CODE_OK)
        return wrong;
    int code = load_place_settings(&place->config);
    if (place->directory) { /* whatever the settings are: it needs none */
        place->reader =
            dead_letter_reader_directory(place->directory, (size_t)place->config.record_max_bytes, &err);
        code = place->reader ? EXIT_CODE_OK : tell_place(usage, &err);
    } else if (code == EXIT_CODE_OK) {
        code = open_trusting(place, usage, &place->config);
    }
    if (code != EXIT_CODE_OK)
        return code;
    open_check(place, usage);
    dead_letter_reader_tell(place->reader, letters_tell_broken, (void *)(uintptr_t)usage);
    return EXIT_CODE_OK;
}

void letters_close(struct letters_place *place)
{
    dead_letter_reader_free(place->reader);
    letter_check_free(place->check);
    config_clear(&place->config);
    place->reader = NULL;
    place->check = NULL;
}
