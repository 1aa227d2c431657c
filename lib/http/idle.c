/* See idle.h. */
#include "http/idle.h"

void exchanges_leave_multi(struct exchanges *exchanges, struct connection *connection)
{
    socket_give_back(exchanges->sockets, connection->fd);
    curl_easy_setopt(connection->easy, CURLOPT_ERRORBUFFER, NULL);
    curl_multi_remove_handle(exchanges->multi, connection->easy); /* which closes the connection */
}

void exchanges_drop(struct exchanges *exchanges, struct connection *connection)
{
    exchanges_leave_multi(exchanges, connection);
    exchanges->spare(exchanges->ctx, connection->easy);
    connection_free(connection);
}

/** False: none is idle. */
PA_MAY_IGNORE static bool close_oldest(struct exchanges *exchanges)
{
    struct connection *oldest = TAILQ_FIRST(&exchanges->connections.idle);
    if (!oldest)
        return false;
    connection_in_use(oldest);
    exchanges_drop(exchanges, oldest);
    return true;
}

static bool too_many(const struct exchanges *exchanges, size_t count)
{
    size_t most = exchanges->max_connections, bytes = exchanges->connections.idle_bytes;
    return count > most && (count > most + exchanges->more_connections || bytes > exchanges->idle_bytes);
}

void exchanges_close_idle(struct exchanges *exchanges, size_t coming, int64_t now)
{
    const struct connections *connections = &exchanges->connections;
    const struct connection *oldest;
    while ((oldest = TAILQ_FIRST(&connections->idle)) != NULL &&
           (too_many(exchanges, connections->count + coming) ||
            now - oldest->idle_since_ms >= CONNECTION_IDLE_MAX_MS))
        close_oldest(exchanges);
}

bool exchanges_give_descriptors(struct exchanges *exchanges, struct http_call *call)
{
    if (!close_oldest(exchanges))
        return false;
    close_oldest(exchanges); /* a name is looked up through another one */
    call->no_socket = 0;
    call->curl_error[0] = '\0';
    return true;
}

void exchanges_make_room(struct exchanges *exchanges, size_t coming)
{
    exchanges_close_idle(exchanges, coming, clock_monotonic_ms(exchanges->clock));
}

void exchanges_close_all_idle(struct exchanges *exchanges)
{
    while (close_oldest(exchanges))
        ;
}
