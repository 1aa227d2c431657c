/* What a person changes of a running agent: `port-agent pause`, `resume` and `cancel`, the brake, and
 * `log-level`. */
#include "agent/commands.h"
#include "client.h"
#include <stdio.h>

static const char EXIT_CODES[] = "Exit codes: 0 done; 1 it cannot be, or nobody is there; 64 wrong usage, or "
                                 "several agents may be meant; 78\nwrong settings.";

static int change(const struct command_usage *usage, const char *path, const char *target, const char *done)
{
    struct config config;
    struct answer answer = {0};
    struct buffer full = {0};
    int code = ask_settings(&config, usage);
    ask_path(&full, path, target);
    if (code == EXIT_CODE_OK) {
        const struct question question = {.method = "POST", .path = buffer_text(&full)};
        code = ask_agent(&config, usage, &question, &answer);
    }
    if (code == EXIT_CODE_OK && answer.status == 200)
        printf("%s: %s", done, buffer_text(&answer.body));
    else if (code == EXIT_CODE_OK)
        fprintf(stderr, "port-agent %s: %s", usage->command, buffer_text(&answer.body));
    if (code == EXIT_CODE_OK && answer.status != 200)
        code = EXIT_CODE_FAILURE;
    buffer_clear(&answer.body);
    buffer_clear(&full);
    config_clear(&config);
    return code;
}

int command_pause(int argc, char **argv)
{
    const char *destination = NULL;
    const struct command_usage usage = {
        .command = "pause",
        .summary = "[DESTINATION]",
        .intro =
            "Pauses deliveries: no attempt starts at that scheme, host and port (without DESTINATION: at "
            "any),\n"
            "until 'port-agent resume' or the end of the agent's process. An attempt under way goes on.\n"
            "Records that wait fill the memory for records; when that is full, other destinations wait "
            "too.\n\n"
            "Example: port-agent pause https://svc.internal:8443",
        .exit_codes = EXIT_CODES,
        .operand = &destination,
    };
    int code = options_parse(&usage, argc, argv);
    return code != OPTIONS_GO_ON ? code : change(&usage, "/pause", destination, "paused");
}

int command_resume(int argc, char **argv)
{
    const char *destination = NULL;
    const struct command_usage usage = {
        .command = "resume",
        .summary = "[DESTINATION]",
        .intro = "Ends the pause of that destination; without DESTINATION: every pause.\n\nExample: "
                 "port-agent resume",
        .exit_codes = EXIT_CODES,
        .operand = &destination,
    };
    int code = options_parse(&usage, argc, argv);
    return code != OPTIONS_GO_ON ? code : change(&usage, "/resume", destination, "goes on");
}

int command_cancel(int argc, char **argv)
{
    const char *run = NULL;
    const struct command_usage usage = {
        .command = "cancel",
        .summary = "RUN_ID",
        .intro =
            "Cancels what is still to be delivered of a run: the run is reported as failed, 'cancelled by "
            "the operator',\n"
            "and its dead letter says so. An attempt under way is cut off; its endpoint may have acted.\n\n"
            "Example: port-agent cancel r_HardNzG6kzc9vWOQ",
        .exit_codes = EXIT_CODES,
        .operand = &run,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (!run)
        return options_wrong(&usage, "the run's ID is missing; write port-agent cancel RUN_ID");
    return change(&usage, "/cancel", run, run);
}

int command_log_level(int argc, char **argv)
{
    const char *level = NULL;
    const struct command_usage usage = {
        .command = "log-level",
        .summary = "LEVEL",
        .intro =
            "Changes how much the running agent logs: DEBUG, INFO, WARNING, ERROR or CRITICAL, until the "
            "next\nchange or the end of the agent's process, which begins with LOG_LEVEL again.\n\n"
            "Example: port-agent log-level debug",
        .exit_codes = EXIT_CODES,
        .operand = &level,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (!level)
        return options_wrong(&usage, "the level is missing");
    return change(&usage, "/log-level", level, "log level");
}
