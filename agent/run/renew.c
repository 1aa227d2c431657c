/* What the daemon's parts are given while they run, after files have changed (certificates: clients.c). */
#include "daemon_internal.h"
#include "deadletter/dead_letter.h"

int daemon_use_secrets(struct daemon *daemon, struct slice secret, struct slice previous, struct slice former)
{
    const struct slice too[] = {previous, former};
    int failed = port_api_use_secret(daemon->port.api, secret);
    if (!failed && daemon->dead_letters)
        failed = dead_letters_use_secret(daemon->dead_letters, secret);
    if (!failed)
        failed = signer_change(daemon->signer, secret, too, sizeof too / sizeof *too);
    if (!failed)
        deliver_use_secrets(daemon->deliver, secret, previous, former);
    return failed;
}

void daemon_use_admin_token(struct daemon *daemon, struct slice token)
{
    deliver_use_admin_token(daemon->deliver, token);
}

bool daemon_use_collector_headers(struct daemon *daemon, struct slice headers)
{
    return traces_use_headers(&daemon->traces, headers);
}

bool daemon_use_mappings(struct daemon *daemon, int compiler, bool mapping_file)
{
    if (!mapper_renew(daemon->mapper, compiler))
        return false;
    daemon->options.mapping_file = mapping_file;
    if (mapping_file)
        deliver_use_mapping_file(daemon->deliver);
    return true;
}

size_t daemon_mapping_files(const struct daemon *daemon)
{
    return daemon->mapper ? mapper_generations(daemon->mapper) : 0;
}

int daemon_nursery(const struct daemon *daemon)
{
    return daemon->mapper ? mapper_nursery(daemon->mapper) : -1;
}
