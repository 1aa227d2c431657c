/* `port-agent verify`: is a signature right, and if not, what differs? */
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/options.h"
#include "base/clock.h"
#include "diagnosis.h"
#include "secret.h"
#include <stdio.h>
#include <string.h>

enum { BODY_MAX = 64 << 20 };

struct verifying {
    const char *file, *signature, *timestamp, *secret_file;
    bool event, json;
    struct secret secret;
    struct buffer body;
};

static void print_findings(const char *verdict, struct buffer *findings)
{
    puts(verdict);
    for (const char *at = buffer_text(findings); *at; at += strcspn(at, "\n") + 1)
        printf("  - %.*s\n", (int)strcspn(at, "\n"), at);
}

static void print_json(bool valid, bool readable, struct buffer *findings)
{
    struct buffer out = {0};
    buffer_appendf(&out, "{\"valid\":%s,\"readable\":%s,\"findings\":[", valid ? "true" : "false",
                   readable ? "true" : "false");
    for (const char *at = buffer_text(findings); *at;) {
        size_t len = strcspn(at, "\n");
        buffer_append_json_string(&out, (struct slice){at, len});
        at += len + (at[len] == '\n');
        buffer_append_text(&out, *at ? "," : "");
    }
    buffer_append_text(&out, "]}\n");
    fputs(buffer_text(&out), stdout);
    buffer_clear(&out);
}

static int judge(const struct verifying *verifying)
{
    const struct signature_case given = {
        .secret = verifying->secret.value,
        .body = buffer_slice(&verifying->body),
        .record = verifying->event,
        .timestamp = slice_of(verifying->timestamp),
        .signature = slice_of(verifying->signature),
        .now_s = clock_wall_ms(clock_system()) / 1000,
    };
    struct buffer findings = {0};
    bool unreadable = false;
    bool valid = signature_diagnose(&given, &findings, &unreadable);
    if (verifying->json)
        print_json(valid, !unreadable, &findings);
    else if (unreadable)
        print_findings("not a record", &findings);
    else
        print_findings(valid ? "valid: the signature is right" : "not valid", &findings);
    buffer_clear(&findings);
    return valid && fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static int verify_body(struct verifying *verifying)
{
    struct error err = {0};
    int code = secret_read("verify", verifying->secret_file, &verifying->secret);
    if (code != EXIT_CODE_OK)
        return code;
    if (input_read(verifying->file, BODY_MAX, &verifying->body, &err) != 0) {
        fprintf(stderr, "port-agent verify: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    return judge(verifying);
}

static const char intro[] =
    "Verifies the signature of a webhook's body, or of a whole event as it stands in the topic "
    "(FILE, or\n"
    "standard input). When the signature is wrong, other readings of the secret, the timestamp "
    "and the "
    "body\n"
    "are tried (blanks, line breaks, other ways to write the same JSON, the rules of headers), "
    "and the\n"
    "difference is named where it can be found.\n\n"
    "  port-agent verify --signature \"$X_PORT_SIGNATURE\" --timestamp \"$X_PORT_TIMESTAMP\" "
    "body.json\n"
    "  port-agent verify --event record.json";

int command_verify(int argc, char **argv)
{
    struct verifying verifying = {0};
    const struct command_option options[] = {
        {.name = "signature",
         .value = "TEXT",
         .text = &verifying.signature,
         .help = "the header X-Port-Signature of the request"},
        {.name = "timestamp",
         .value = "TEXT",
         .text = &verifying.timestamp,
         .help = "the header X-Port-Timestamp of the request"},
        {.name = "event",
         .flag = &verifying.event,
         .help = "FILE is a record of the runs topic: both are members of its headers"},
        {.name = "secret-file",
         .value = "FILE",
         .text = &verifying.secret_file,
         .help =
             "a file with the client secret (its final newline is left out); PORT_CLIENT_SECRET by default"},
        OPTION_OUTPUT(&verifying.json, "text, or a JSON object"),
    };
    const struct command_usage usage = {
        .command = "verify",
        .summary = "--signature TEXT --timestamp TEXT [OPTIONS] [FILE], or --event [OPTIONS] [FILE]",
        .intro = intro,
        .exit_codes = "Exit codes: 0 valid; 1 not valid, or the body cannot be read; 64 wrong usage; 78 no "
                      "client secret.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operand = &verifying.file,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (verifying.event && (verifying.signature || verifying.timestamp))
        return options_wrong(
            &usage, "--event is an event with its signature and timestamp; leave the other options out");
    if (!verifying.event && !verifying.signature && !verifying.timestamp)
        return options_wrong(
            &usage,
            "--signature and --timestamp are missing; write both, or --event where FILE is a whole event");
    code = verify_body(&verifying);
    buffer_clear(&verifying.body);
    secret_clear(&verifying.secret);
    return code;
}
