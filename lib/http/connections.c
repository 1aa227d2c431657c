/* See connections.h. */
#include "http/connections.h"
#include <stdlib.h>
#include <string.h>

struct destination {
    LIST_ENTRY(destination) bucket;
    /** The one that was used last comes first. */
    struct connection_list idle;
    /** In use, and idle. */
    size_t count;
    const struct proxy *proxy;
    const char *certificate;
    size_t origin_len;
    char origin[];
};

void connections_init(struct connections *connections, void *ctx)
{
    *connections = (struct connections){.ctx = ctx};
    TAILQ_INIT(&connections->idle);
}

static struct destinations *destinations_at(struct connections *connections, const struct connection_key *key)
{
    return &connections->buckets[slice_hash(key->origin) % CONNECTIONS_BUCKETS];
}

static struct destination *find_destination(struct connections *connections, const struct connection_key *key)
{
    struct destination *destination;
    LIST_FOREACH(destination, destinations_at(connections, key), bucket)
    if (destination->proxy == key->proxy && destination->certificate == key->certificate &&
        destination->origin_len == key->origin.len &&
        memcmp(destination->origin, key->origin.ptr, key->origin.len) == 0)
        return destination;
    return NULL;
}

static struct destination *find_or_add(struct connections *connections, const struct connection_key *key)
{
    struct destination *destination = find_destination(connections, key);
    if (destination)
        return destination;
    destination = calloc(1, sizeof *destination + key->origin.len);
    if (!destination)
        return NULL;
    TAILQ_INIT(&destination->idle);
    destination->proxy = key->proxy;
    destination->certificate = key->certificate;
    destination->origin_len = key->origin.len;
    memcpy(destination->origin, key->origin.ptr, key->origin.len);
    LIST_INSERT_HEAD(destinations_at(connections, key), destination, bucket);
    return destination;
}

struct connection *connection_new(struct connections *connections, const struct connection_key *key)
{
    struct connection *connection = calloc(1, sizeof *connection);
    struct destination *to = connection ? find_or_add(connections, key) : NULL;
    if (!to) {
        free(connection);
        return NULL;
    }
    connection->connections = connections;
    connection->to = to;
    connection->fd = CURL_SOCKET_BAD;
    to->count++;
    connections->count++;
    return connection;
}

void connection_free(struct connection *connection)
{
    connection->connections->count--;
    if (--connection->to->count == 0) {
        LIST_REMOVE(connection->to, bucket);
        free(connection->to);
    }
    free(connection);
}

static size_t connection_bytes(const struct connection *connection)
{
    return connection->tls ? CONNECTION_TLS_BYTES : CONNECTION_BYTES;
}

void connection_in_use(struct connection *connection)
{
    connection->connections->idle_bytes -= connection_bytes(connection);
    TAILQ_REMOVE(&connection->to->idle, connection, of_destination);
    TAILQ_REMOVE(&connection->connections->idle, connection, of_all);
}

void connection_is_idle(struct connection *connection, int64_t now_ms)
{
    connection->call = NULL;
    connection->used = true;
    connection->idle_since_ms = now_ms;
    connection->connections->idle_bytes += connection_bytes(connection);
    TAILQ_INSERT_HEAD(&connection->to->idle, connection, of_destination);
    TAILQ_INSERT_TAIL(&connection->connections->idle, connection, of_all);
}

struct connection *connections_take(struct connections *connections, const struct connection_key *key)
{
    struct destination *destination = find_destination(connections, key);
    struct connection *connection = destination ? TAILQ_FIRST(&destination->idle) : NULL;
    if (connection)
        connection_in_use(connection);
    return connection;
}
