/* port-agent: help, version, and the subcommand that is asked for. No logic of its own. */
#include "base/containment.h"
#include "base/near.h"
#include "base/signals.h"
#include "base/version.h"
#include "commands.h"
#include "help.h"
#include "settings.h"
#include "terminal.h"
#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { HELP_WIDTH = 100, HELP_COLUMN = 17 };

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
    size_t count, width = terminal_width(STDOUT_FILENO, HELP_WIDTH);
    const struct command *commands = commands_all(&count);
    help_paragraphs(
        "port-agent delivers Port's webhook invocations inside your network: it consumes them from "
        "Kafka, verifies Port's signature, sends them to your endpoints and reports the results to "
        "Port.",
        width, stdout);
    puts("\nUsage: port-agent [COMMAND] [OPTIONS]\n\nCommands:");
    for (size_t i = 0; i < count; i++)
        help_row(commands[i].name, HELP_COLUMN, commands[i].help, width, stdout);
    puts("\nOptions:");
    help_row("--help, -h", HELP_COLUMN, "this text; each command has its own", width, stdout);
    help_row("--version, -V", HELP_COLUMN, "version, revision and library versions", width, stdout);
    puts("\nSettings come from the environment, or from a .env file in the working directory:\n");
    settings_print_help(width, stdout);
    fputc('\n', stdout);
    help_paragraphs("Exit codes: 0 stopped as asked; 1 cannot go on (the last log line says why); 64 wrong "
                    "usage; 78 wrong settings (one line each on standard error).",
                    width, stdout);
    return EXIT_CODE_OK;
}

static int usage_error(const char *argument)
{
    char question[NEAR_QUESTION_SIZE];
    fprintf(stderr, "port-agent: unknown command or option '%s'%s; try 'port-agent --help'\n", argument,
            near_question("", commands_near(argument), question));
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

static int do_as_asked(int argc, char **argv)
{
    if (argc < 2)
        return command_run(0, NULL);
    const char *first = argv[1];
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0)
        return print_help();
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0 || strcmp(first, "version") == 0)
        return print_version();
    size_t count;
    const struct command *commands = commands_all(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(first, commands[i].name) == 0)
            return run_command(&commands[i], argc - 2, argv + 2);
    return usage_error(first);
}

/** What was printed and not written is a failure, unless there is one already. */
static int end_output(int code)
{
    bool whole = !ferror(stdout) && fflush(stdout) == 0;
    if (whole || code != EXIT_CODE_OK)
        return code;
    if (errno != EPIPE)
        fputs("port-agent: standard output cannot be written\n", stderr);
    return EXIT_CODE_FAILURE;
}

int main(int argc, char **argv)
{
    hold_standard_descriptors();
    /* Where the system has none of these, or there is no memory, the agent goes on as it did before. */
    (void)!containment_enter();
    (void)!environment_take();
    return end_output(do_as_asked(argc, argv));
}
