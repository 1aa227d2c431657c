/* What a person changes of a running agent: `port-agent pause`, `resume` and `cancel`, the brake, and
 * `log-level`. */
#include "agent/commands.h"
#include "base/log.h"
#include "client.h"
#include <stdio.h>

static const char EXIT_CODES[] =
    "Exit codes: 0 done; 1 it cannot be done, or no agent answers; 64 wrong usage, or "
    "several agents may be meant; 78\nwrong settings.";

/** A change that a person asks for: the command, and where the agent takes it. */
struct change {
    struct command_usage usage;
    const char *path;
    /** What the text begins with when it is done; NULL: the target. */
    const char *done;
    /** Without a target it cannot be; NULL: it can. */
    const char *missing;
    /** Whether the target can be one, and those that can, in words; NULL: the agent knows. */
    bool (*fits)(const char *target);
    const char *choices;
};

static int ask_for(const struct change *change, const char *target, bool json)
{
    const struct command_usage *usage = &change->usage;
    struct config config;
    struct answer answer = {0};
    struct buffer full = {0};
    int code = ask_settings(&config, usage);
    ask_path(&full, change->path, target);
    if (code == EXIT_CODE_OK) {
        const struct question question = {.method = "POST", .path = buffer_text(&full)};
        code = ask_agent(&config, usage, &question, &answer);
    }
    bool done = answer.status == 200;
    if (code == EXIT_CODE_OK && *answer.found)
        fprintf(stderr, "port-agent %s: asked the agent at %s, the only one on this machine\n",
                usage->command, answer.found);
    if (code == EXIT_CODE_OK && json)
        ask_print_json("done", done, target, buffer_text(&answer.body));
    else if (code == EXIT_CODE_OK && done)
        printf("%s: %s", change->done ? change->done : target, buffer_text(&answer.body));
    else if (code == EXIT_CODE_OK)
        fprintf(stderr, "port-agent %s: %s", usage->command, buffer_text(&answer.body));
    if (code == EXIT_CODE_OK && !done)
        code = EXIT_CODE_FAILURE;
    buffer_clear(&answer.body);
    buffer_clear(&full);
    config_clear(&config);
    return code;
}

static int run_change(struct change change, int argc, char **argv)
{
    const char *target = NULL;
    bool json = false;
    const struct command_option options[] = {
        OPTION_OUTPUT(&json, "text, or a JSON object"),
    };
    change.usage.exit_codes = EXIT_CODES;
    change.usage.options = options;
    change.usage.option_count = sizeof options / sizeof *options;
    change.usage.operand = &target;
    int code = options_parse(&change.usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if ((!target || !*target) && change.missing)
        return options_wrong(&change.usage, "%s", change.missing);
    if (target && change.fits && !change.fits(target))
        return options_wrong(&change.usage, "'%s' is not accepted; write %s", target, change.choices);
    return ask_for(&change, target, json);
}

int command_pause(int argc, char **argv)
{
    return run_change(
        (struct change){
            .usage = {.command = "pause",
                      .summary = "[--output text|json] [DESTINATION]",
                      .intro =
                          "Pauses deliveries: no attempt starts at that scheme, host and port (without "
                          "DESTINATION: at any),\n"
                          "until 'port-agent resume' or the end of the agent's process. An attempt under "
                          "way goes on.\n"
                          "Records that wait fill the memory for records; when that is full, other "
                          "destinations wait too.\n\n"
                          "Example: port-agent pause https://svc.internal:8443"},
            .path = "/pause",
            .done = "paused"},
        argc, argv);
}

int command_resume(int argc, char **argv)
{
    return run_change((struct change){.usage = {.command = "resume",
                                                .summary = "[--output text|json] [DESTINATION]",
                                                .intro = "Ends the pause of that destination; without "
                                                         "DESTINATION: every pause.\n\nExample: "
                                                         "port-agent resume"},
                                      .path = "/resume",
                                      .done = "goes on"},
                      argc, argv);
}

int command_cancel(int argc, char **argv)
{
    return run_change(
        (struct change){
            .usage = {.command = "cancel",
                      .summary = "[--output text|json] RUN_ID",
                      .intro =
                          "Cancels what is still to be delivered of a run: the run is reported as failed, "
                          "'cancelled by the operator',\n"
                          "and its dead letter says so. An attempt under way is cut off; its endpoint may "
                          "have acted.\n\n"
                          "Example: port-agent cancel r_HardNzG6kzc9vWOQ"},
            .path = "/cancel",
            .missing = "the run's ID is missing; write port-agent cancel RUN_ID"},
        argc, argv);
}

static bool is_log_level(const char *name)
{
    enum log_level level;
    return log_level_of(name, &level);
}

int command_log_level(int argc, char **argv)
{
    return run_change(
        (struct change){
            .usage = {.command = "log-level",
                      .summary = "[--output text|json] LEVEL",
                      .intro = "Changes how much the running agent logs: DEBUG, INFO, WARNING, ERROR or "
                               "CRITICAL, until the next\n"
                               "change or the end of the agent's process, which begins with LOG_LEVEL "
                               "again.\n\n"
                               "Example: port-agent log-level debug",
                      .operand_words = "debug|info|warning|error|critical"},
            .path = "/log-level",
            .done = "log level",
            .fits = is_log_level,
            .choices = "DEBUG, INFO, WARNING, ERROR or CRITICAL",
            .missing = "the level is missing; write port-agent log-level LEVEL"},
        argc, argv);
}
