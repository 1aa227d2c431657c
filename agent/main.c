/* port-agent: the subcommand table, help and version. No logic of its own. */
#include "base/containment.h"
#include "base/signals.h"
#include "base/version.h"
#include "commands.h"
#include "config/config.h"
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
    /** Until it hears them itself: what it has begun must be finished. */
    bool holds_signals;
};

static const struct command COMMANDS[] = {
    {"run", command_run, "be the agent (the default when no command is given)", true},
    {"demo", command_demo, "show the agent at work with an embedded Kafka, Port API and receiver", true},
    {"check", command_check, "check the settings and the mapping file; --connect: Port's API and Kafka too",
     false},
    {"map", command_map, "show what a mapping file makes of an event: mapping, request, report", false},
    {"sign", command_sign, "sign a body as the agent does, and print the two headers", false},
    {"listen", command_listen, "receive webhooks: show each, check its signature, answer or pass it on",
     true},
    {"send", command_send, "make an event, sign it, and send it to an endpoint or into the topic", true},
    {"events", command_events, "show what is in the topics, verified, without joining the group", false},
    {"dead-letters", command_dead_letters, "list, show and replay events whose delivery was given up", true},
    {"status", command_status, "show what the running agent does: what waits and why", false},
    {"run-status", command_run_status, "say where a run is", false},
    {"health", command_health, "ask the running agent whether it is alive, for a container's probe", false},
    {"pause", command_pause, "hold deliveries, of one destination or of all", false},
    {"resume", command_resume, "end a pause", false},
    {"cancel", command_cancel, "end a run that is still to be delivered", false},
    {"verify", command_verify, "verify the signature of a body or an event, and say what differs", false},
    {"settings", command_settings, "print every setting as a Markdown table", false},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

static int print_version(void)
{
    printf("port-agent %s (%s)\n", agent_version, agent_revision);
    printf("librdkafka %s, libcurl %s, libuv %s, cJSON %s, %s\n", rd_kafka_version_str(),
           curl_version_info(CURLVERSION_NOW)->version, uv_version_string(), cJSON_Version(),
           OpenSSL_version(OPENSSL_VERSION));
    return EXIT_CODE_OK;
}

static int print_help(void)
{
    puts("port-agent delivers Port's webhook invocations inside your network: it consumes them from Kafka, "
         "verifies\n"
         "Port's signature, sends them to your endpoints and reports the results to Port.\n\n"
         "Usage: port-agent [COMMAND] [OPTIONS]\n\nCommands:");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        printf("  %-12s %s\n", COMMANDS[i].name, COMMANDS[i].help);
    puts("\nOptions:\n  --help, -h     this text\n  --version, -V  version, revision and library versions\n\n"
         "Settings come from the environment, or from a .env file in the working directory:\n");
    config_print_help(stdout);
    puts("\nExit codes: 0 stopped as asked; 1 cannot go on (the last log line says why); 64 wrong usage;\n"
         "78 wrong settings (one line each on standard error).");
    return EXIT_CODE_OK;
}

static int usage_error(const char *argument)
{
    fprintf(stderr, "port-agent: unknown command or option '%s'; try 'port-agent --help'\n", argument);
    return EXIT_CODE_USAGE;
}

/** A descriptor that came closed would be given to the next socket, and what is meant for the log would go
 * there.
 */
static void hold_standard_descriptors(void)
{
    int fd;
    while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
        ;
    if (fd > STDERR_FILENO)
        close(fd);
}

/** Before the libraries are set up: no signal may end an agent without a word. */
static void hold_signals(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    (void)environment;
    signals_hold();
}
__attribute__((section(".preinit_array"),
               used)) static void (*const hold_signals_first)(int, char **, char **) = hold_signals;

static int run_command(const struct command *command, int argc, char **argv)
{
    if (!command->holds_signals)
        signals_release();
    return command->run(argc, argv);
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    /* Where the system has none of these, or there is no memory, the agent goes on as it did before. */
    (void)!containment_enter();
    (void)!environment_take();
    if (argc < 2)
        return command_run(0, NULL);
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0)
        return print_help();
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0 || strcmp(first, "version") == 0)
        return print_version();
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(first, COMMANDS[i].name) == 0)
            return run_command(&COMMANDS[i], argc - 2, argv + 2);
    return usage_error(first);
}
