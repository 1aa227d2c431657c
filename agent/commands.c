/* The table of subcommands. */
#include "commands.h"
#include "base/near.h"

static const char *const DEAD_LETTERS[] = {"list", "show", "replay", NULL};

static const struct command COMMANDS[] = {
    {"run", command_run, "run the agent (the default when no command is given)", true, NULL},
    {"demo", command_demo, "show the agent at work with an embedded Kafka, Port API and receiver", true,
     NULL},
    {"check", command_check, "check the settings and the mapping file; --connect: Port's API and Kafka too",
     false, NULL},
    {"map", command_map, "show what a mapping file makes of an event: mapping, request, report", false, NULL},
    {"sign", command_sign, "sign a body as the agent does, and print the two headers", false, NULL},
    {"listen", command_listen, "receive webhooks: show each, check its signature, answer or pass it on", true,
     NULL},
    {"send", command_send, "make an event, sign it, and send it to an endpoint or into the topic", true,
     NULL},
    {"events", command_events, "show what is in the topics, verified, without joining the group", false,
     NULL},
    {"redeliver", command_redeliver, "deliver what is still in the topic once more, and report it", true,
     NULL},
    {"dead-letters", command_dead_letters, "list, show and replay events whose delivery was given up", true,
     DEAD_LETTERS},
    {"status", command_status, "show what the running agent does: what waits and why", false, NULL},
    {"run-status", command_run_status, "show how far a run is", false, NULL},
    {"health", command_health, "ask the running agent whether it is alive, for a container's probe", false,
     NULL},
    {"pause", command_pause, "pause deliveries to one destination or to all", false, NULL},
    {"resume", command_resume, "end a pause", false, NULL},
    {"cancel", command_cancel, "cancel a run that is still to be delivered", false, NULL},
    {"log-level", command_log_level, "change how much the running agent logs", false, NULL},
    {"verify", command_verify, "verify the signature of a body or an event, and say what differs", false,
     NULL},
    {"settings", command_settings, "print every setting as a Markdown table", false, NULL},
    {"completion", command_completion, "print the completion script for bash, zsh or fish", false, NULL},
    {"man", command_man, "print the manual page of the agent or of a command", false, NULL},
};

const struct command *commands_all(size_t *count)
{
    *count = sizeof COMMANDS / sizeof *COMMANDS;
    return COMMANDS;
}

const char *commands_near(const char *word)
{
    const char *names[sizeof COMMANDS / sizeof *COMMANDS + 3] = {"--help", "--version"};
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++)
        names[i + 2] = COMMANDS[i].name;
    return near_word(word, names);
}
