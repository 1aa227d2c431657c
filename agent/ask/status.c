/* `port-agent status` and `run-status`: what the running agent says of itself, and of one run. */
#include "agent/commands.h"
#include "base/json_tree.h"
#include "client.h"
#include "show.h"
#include <cjson/cJSON.h>
#include <time.h>

#define EXIT_CODES(none)                                                                         \
    "Exit codes: 0 shown; 1 " none "; 64 wrong usage, or several agents may be meant; 78 wrong " \
    "settings."

static const char UNKNOWN[] =
    "nothing is known of the run here: it has not come yet, came to another agent of the group, or\nended "
    "before the last 1,000 (500 of which nothing was sent)\n"
    "  next step    'port-agent status' shows whether events come; with Kafka, 'port-agent events --run "
    "RUN_ID'\n               says whether its event is in the topic\n";

/** False: it is no JSON, so that it is some other program's, and nothing was printed. */
static bool print_answer(struct answer *answer, bool json, bool (*show)(FILE *out, struct slice json))
{
    if (!json)
        return show(stdout, buffer_slice(&answer->body));
    cJSON *read = json_tree(buffer_slice(&answer->body), NULL);
    bool readable = read != NULL;
    if (readable)
        fputs(buffer_text(&answer->body), stdout);
    cJSON_Delete(read);
    return readable;
}

/** One answer, as JSON or in words. */
static int show_answer(const struct command_usage *usage, const struct config *config, const char *path,
                       bool json, bool (*show)(FILE *out, struct slice json))
{
    const struct question question = {.method = "GET", .path = path};
    struct answer answer = {0};
    int code = ask_agent(config, usage, &question, &answer);
    if (code == EXIT_CODE_OK && json && answer.status != 200 && answer.body.len > 0) {
        ask_print_json("shown", false, NULL, buffer_text(&answer.body)); /* a refusal is in plain words */
    } else if (code == EXIT_CODE_OK && answer.status == 200 && !print_answer(&answer, json, show)) {
        fprintf(stderr, "port-agent %s: the agent's answer cannot be read\n", usage->command);
        code = EXIT_CODE_FAILURE;
    }
    if (code == EXIT_CODE_OK && answer.status != 200)
        code = EXIT_CODE_FAILURE;
    if (code != EXIT_CODE_OK && answer.status == 404 && !json)
        fprintf(stderr, "port-agent %s: %s", usage->command, UNKNOWN);
    else if (answer.status != 0 && answer.status != 200 && !json)
        fprintf(stderr, "port-agent %s: the agent answers %ld: %s", usage->command, answer.status,
                buffer_text(&answer.body));
    buffer_clear(&answer.body);
    fflush(stdout);
    return code;
}

static int watch_status(const struct command_usage *usage, const struct config *config, bool json)
{
    for (;;) {
        if (!json)
            fputs("\033[H\033[2J", stdout);
        int code = show_answer(usage, config, "/status.json", json, show_status);
        if (code != EXIT_CODE_OK || ferror(stdout))
            return code;
        nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    }
}

int command_status(int argc, char **argv)
{
    bool json = false, watch = false;
    const struct command_option options[] = {
        OPTION_OUTPUT(&json, "text, or the whole as JSON"),
        {.name = "watch", .flag = &watch, .help = "show it again every second, until Ctrl-C"},
    };
    const struct command_usage usage = {
        .command = "status",
        .summary = "[OPTIONS]",
        .intro =
            "Shows what the agent that runs with these settings on this machine does: what waits and why,\n"
            "partitions, destinations, Port, memory, settings. Without settings: the agent that is found "
            "here.\n"
            "\nExample: kubectl exec POD -- port-agent status",
        .exit_codes = EXIT_CODES("no agent answers"),
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    struct config config;
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    code = ask_settings(&config, &usage);
    if (code == EXIT_CODE_OK)
        code = watch ? watch_status(&usage, &config, json)
                     : show_answer(&usage, &config, "/status.json", json, show_status);
    config_clear(&config);
    return code;
}

int command_run_status(int argc, char **argv)
{
    const char *run = NULL;
    bool json = false;
    const struct command_option options[] = {
        OPTION_OUTPUT(&json, "text, or the whole as JSON"),
    };
    const struct command_usage usage = {
        .command = "run-status",
        .summary = "[OPTIONS] RUN_ID",
        .intro =
            "Shows how far a run is: when it was taken, what it waits for, its attempts with their causes, "
            "and what\n"
            "Port was told. The agent remembers the last 1,000 runs that ended.\n\n"
            "Example: port-agent run-status r_HardNzG6kzc9vWOQ",
        .exit_codes = EXIT_CODES("no agent answers, or it knows nothing of the run"),
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operand = &run,
    };
    struct config config;
    struct buffer path = {0};
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (!run)
        return options_wrong(&usage, "the run's ID is missing; write port-agent run-status RUN_ID");
    code = ask_settings(&config, &usage);
    ask_path(&path, "/run", run);
    if (code == EXIT_CODE_OK)
        code = show_answer(&usage, &config, buffer_text(&path), json, show_run);
    buffer_clear(&path);
    config_clear(&config);
    return code;
}
