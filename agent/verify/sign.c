/* `port-agent sign`: the two headers for a body, as the agent signs its requests. */
#include "agent/commands.h"
#include "agent/input.h"
#include "agent/options.h"
#include "base/clock.h"
#include "event/signature.h"
#include "secret.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 256 << 20, TIMESTAMP_DIGITS = 18 };

struct signing {
    const char *file, *timestamp, *secret_file;
    bool json;
    int64_t seconds;
    struct secret secret;
    struct buffer body;
};

static bool read_timestamp(const char *text, int64_t *out)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > TIMESTAMP_DIGITS || text[digits] != '\0')
        return false;
    *out = strtoll(text, NULL, 10);
    return true;
}

static int print_headers(const struct signing *signing)
{
    char signature[SIGNATURE_SIZE];
    struct slice body = buffer_slice(&signing->body);
    struct signer *signer = signer_new(signing->secret.value);
    int failed = signer ? signer_sign(signer, signing->seconds, body, signature) : PA_ERR_MEMORY;
    signer_free(signer);
    if (failed) {
        fputs("port-agent sign: out of memory\n", stderr);
        return EXIT_CODE_FAILURE;
    }
    printf(signing->json ? "{\"X-Port-Timestamp\":\"%lld\",\"X-Port-Signature\":\"%s\"}\n"
                         : "X-Port-Timestamp: %lld\nX-Port-Signature: %s\n",
           (long long)signing->seconds, signature);
    if (body.len > 0 && body.ptr[body.len - 1] == '\n')
        fputs("port-agent sign: note: the body ends in a newline, which is signed too; send it as well\n",
              stderr);
    return fflush(stdout) == 0 ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static int sign_body(struct signing *signing)
{
    struct error err = {0};
    int code = secret_read("sign", signing->secret_file, &signing->secret);
    if (code != EXIT_CODE_OK)
        return code;
    if (input_read(signing->file, BODY_MAX, &signing->body, &err) != 0) {
        fprintf(stderr, "port-agent sign: %s\n", err.message);
        return EXIT_CODE_FAILURE;
    }
    return print_headers(signing);
}

int command_sign(int argc, char **argv)
{
    struct signing signing = {.seconds = clock_wall_ms(clock_system()) / 1000};
    const struct command_option options[] = {
        {.name = "timestamp",
         .value = "SECONDS",
         .text = &signing.timestamp,
         .help = "the time to sign, in seconds since the epoch (now by default)"},
        {.name = "secret-file",
         .value = "FILE",
         .text = &signing.secret_file,
         .help =
             "a file with the client secret (its final newline is left out); PORT_CLIENT_SECRET by default"},
        OPTION_OUTPUT(&signing.json, "header lines, or a JSON object"),
    };
    const struct command_usage usage = {
        .command = "sign",
        .summary = "[--timestamp SECONDS] [--secret-file FILE] [--output text|json] [FILE]",
        .intro =
            "Signs a body (FILE, or standard input) as the agent signs its requests, and prints the two "
            "headers:\n"
            "X-Port-Signature is \"v1,\" + base64(HMAC-SHA-256(client secret, timestamp + \".\" + body)).\n"
            "The body's bytes are signed as they are: send exactly these bytes.\n\n"
            "  printf '{\"a\":1}' | port-agent sign",
        .exit_codes = "Exit codes: 0 signed; 1 the body cannot be read; 64 wrong usage; 78 no client secret.",
        .options = options,
        .option_count = sizeof options / sizeof *options,
        .operand = &signing.file,
    };
    int code = options_parse(&usage, argc, argv);
    if (code != OPTIONS_GO_ON)
        return code;
    if (signing.timestamp && !read_timestamp(signing.timestamp, &signing.seconds))
        return options_wrong(&usage,
                             "--timestamp: '%s' is not a number of seconds since the epoch; write 1768317616",
                             signing.timestamp);
    code = sign_body(&signing);
    buffer_clear(&signing.body);
    secret_clear(&signing.secret);
    return code;
}
