/* `port-agent health`: does the agent's loop answer? For a container's liveness probe: it fails only for what
 * a restart mends. */
#include "agent/commands.h"
#include "client.h"
#include <stdio.h>

int command_health(int argc, char **argv)
{
    bool json = false;
    const struct command_option options[] = {
        OPTION_OUTPUT(&json, "text, or a JSON object"),
    };
    const struct command_usage usage = {
        .command = "health",
        .summary = "[--output text|json]",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .intro =
            "Asks the agent that runs with these settings on this machine whether its loop answers, within\n"
            "LIVENESS_STALL_SECONDS. It fails only for what a restart repairs: never for a broker, Port, or\n"
            "an endpoint.\n\nExample: HEALTHCHECK CMD [\"port-agent\", \"health\"]",
        .exit_codes =
            "Exit codes: 0 alive; 1 stuck, or no agent answers; 64 wrong usage, or several agents may be "
            "meant; 78 wrong settings.",
    };
    struct config config;
    struct answer answer = {0};
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    code = ask_settings(&config, &usage);
    if (code == EXIT_CODE_OK) {
        const struct question question = {
            .method = "GET", .path = "/livez", .timeout_ms = config.liveness_stall_ms};
        code = ask_agent(&config, &usage, &question, &answer);
    }
    if (code == EXIT_CODE_OK) {
        if (json)
            ask_print_json("alive", answer.status == 200, NULL, buffer_text(&answer.body));
        else
            fputs(buffer_text(&answer.body), answer.status == 200 ? stdout : stderr);
        code = answer.status == 200 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
    }
    buffer_clear(&answer.body);
    config_clear(&config);
    return code;
}
