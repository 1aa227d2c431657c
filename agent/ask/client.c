/* See client.h. libcurl speaks HTTP over a socket that is connected, and whose other end is looked at, here.
 */
#include "client.h"
#include "agent/commands.h"
#include "agent/input.h"
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 5000, BODY_MAX = 4 << 20 };

int ask_settings(struct config *config, const struct command_usage *usage)
{
    static const char *const names[] = {"PORT_ORG_ID", "KAFKA_CONSUMER_GROUP_ID", "STATUS_SOCKET",
                                        "LIVENESS_STALL_SECONDS"};
    struct buffer problems = {0};
    int failed = input_settings(config, names, sizeof names / sizeof *names, &problems);
    if (failed == PA_ERR_MEMORY)
        fprintf(stderr, "port-agent %s: out of memory\n", usage->command);
    else if (failed)
        fputs(buffer_text(&problems), stderr);
    buffer_clear(&problems);
    return failed == PA_ERR_MEMORY ? EXIT_CODE_FAILURE : failed ? EXIT_CODE_CONFIG : EXIT_CODE_OK;
}

/* Which agent */

struct search {
    /** "": none yet. */
    char name[ADMIN_SOCKET_NAME_SIZE];
    /** Others that answer, a line each. */
    struct buffer others;
    /** Why one that is there cannot be asked. */
    struct error refused;
};

static bool look(void *ctx, const char *name)
{
    struct search *search = ctx;
    struct error err = {0};
    int fd = admin_socket_connect(name, &err);
    if (fd < 0) {
        if (err.kind == PA_ERR_INVALID)
            search->refused = err;
        return true;
    }
    close(fd);
    if (!*search->name) {
        snprintf(search->name, sizeof search->name, "%s", name);
        return true;
    }
    buffer_appendf(&search->others, "  STATUS_SOCKET=%s\n", name);
    return true;
}

static void search_agents(const struct config *config, struct search *search)
{
    const struct admin_socket_choice choice = {
        .setting = config->status_socket, .org_id = config->org_id, .group_id = config->group_id};
    admin_socket_each(&choice, look, search);
}

static void say_several(const struct command_usage *usage, struct search *search)
{
    fprintf(stderr, "port-agent %s: several agents run here; say which one is meant:\n  STATUS_SOCKET=%s\n%s",
            usage->command, search->name, buffer_text(&search->others));
}

int ask_finds_agent(const struct config *config, const struct command_usage *usage, struct error *why)
{
    struct search search = {0};
    search_agents(config, &search);
    bool several = search.others.len > 0;
    if (several)
        say_several(usage, &search);
    else if (!*search.name)
        *why = search.refused;
    buffer_clear(&search.others);
    return several ? EXIT_CODE_USAGE : *search.name ? EXIT_CODE_OK : EXIT_CODE_FAILURE;
}

static int find_agent(const struct config *config, const struct command_usage *usage, struct search *search)
{
    search_agents(config, search);
    if (!*search->name && search->refused.kind)
        fprintf(stderr, "port-agent %s: %s\n", usage->command, search->refused.message);
    else if (!*search->name)
        fprintf(stderr, "port-agent %s: no agent %s on this machine%s%s; %s\n", usage->command,
                *config->org_id && !*config->status_socket ? "of these settings runs" : "was found",
                *config->status_socket ? " at STATUS_SOCKET=" : "", config->status_socket,
                "STATUS_SOCKET says where another one listens");
    else if (search->others.len > 0)
        say_several(usage, search);
    if (*search->name && search->others.len == 0)
        return EXIT_CODE_OK;
    return search->others.len > 0 ? EXIT_CODE_USAGE : EXIT_CODE_FAILURE;
}

/* HTTP */

struct link {
    bool abstract;
    int fd;
};

static curl_socket_t open_link(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct link *link = ctx;
    (void)purpose;
    link->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return link->fd < 0 ? CURL_SOCKET_BAD : link->fd;
}

/** Connected, and nothing sent yet. */
static int look_at_agent(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    const struct link *link = ctx;
    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    return admin_socket_trusts_agent(link->fd, link->abstract) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct buffer *body = ctx;
    if (body->len + size * count > BODY_MAX)
        return 0;
    buffer_append(body, bytes, size * count);
    return size * count;
}

static CURLcode perform(CURL *curl, const char *name, const struct question *question, struct answer *answer)
{
    struct link link = {.abstract = *name == '@', .fd = -1};
    struct buffer url = {0};
    buffer_appendf(&url, "http://localhost%s", question->path);
    curl_easy_setopt(curl, CURLOPT_URL, buffer_text(&url));
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, question->method);
    curl_easy_setopt(curl, link.abstract ? CURLOPT_ABSTRACT_UNIX_SOCKET : CURLOPT_UNIX_SOCKET_PATH,
                     name + link.abstract);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_link);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &link);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, look_at_agent);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, &link);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                     (long)(question->timeout_ms > 0 ? question->timeout_ms : TIMEOUT_MS));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer->body);
    CURLcode code = url.failed ? CURLE_OUT_OF_MEMORY : curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    buffer_clear(&url);
    return code;
}

int ask_agent(const struct config *config, const struct command_usage *usage, const struct question *question,
              struct answer *answer)
{
    struct search search = {0};
    int code = find_agent(config, usage, &search);
    buffer_clear(&search.others);
    if (code != EXIT_CODE_OK)
        return code;
    if (!*config->org_id && !*config->status_socket)
        snprintf(answer->found, sizeof answer->found, "%s", search.name);
    CURL *curl = curl_easy_init();
    CURLcode failed = curl ? perform(curl, search.name, question, answer) : CURLE_OUT_OF_MEMORY;
    curl_easy_cleanup(curl);
    if (failed == CURLE_OK && !answer->body.failed)
        return EXIT_CODE_OK;
    fprintf(stderr, "port-agent %s: the agent at %s %s\n", usage->command, search.name,
            failed == CURLE_OPERATION_TIMEDOUT ? "does not answer: its loop is stuck"
                                               : "gave no answer that can be read");
    return EXIT_CODE_FAILURE;
}

void ask_path(struct buffer *out, const char *path, const char *target)
{
    buffer_append_text(out, path);
    if (!target)
        return;
    buffer_append_text(out, "?target=");
    for (const char *c = target; *c; c++) {
        if (char_is_letter(*c) || char_is_digit(*c) || *c == '_' || *c == '-' || *c == '.')
            buffer_append_char(out, *c);
        else
            buffer_appendf(out, "%%%02X", (unsigned)(unsigned char)*c);
    }
}

void ask_print_json(const char *key, bool yes, const char *target, const char *message)
{
    struct buffer out = {0};
    buffer_appendf(&out, "{\"%s\":%s,", key, yes ? "true" : "false");
    if (target) {
        buffer_append_text(&out, "\"target\":");
        buffer_append_json_string(&out, slice_of(target));
        buffer_append_char(&out, ',');
    }
    buffer_append_text(&out, "\"message\":");
    buffer_append_json_string(&out, slice_strip(slice_of(message)));
    buffer_append_text(&out, "}\n");
    fputs(buffer_text(&out), stdout);
    buffer_clear(&out);
}
