/* The Unix socket on which a running agent is asked: its names, from the agent's side and from that of
 * whoever asks. A name comes from organisation and group, so that the same settings find it; where another
 * agent of that name is alive, the next has a number behind it. Both sides look at whom they speak to
 * (SO_PEERCRED). Nothing here waits. */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include <stdbool.h>
#include <sys/types.h>

enum {
    /** As long as the system lets it be, with its NUL. */
    ADMIN_SOCKET_NAME_SIZE = 108,
    /** Agents of one organisation and group on one machine. */
    ADMIN_SOCKETS_MAX = 9
};

/** Which socket is meant. Borrowed. */
struct admin_socket_choice {
    /** STATUS_SOCKET: a path, or '@' and an abstract name; "": what organisation and group say. */
    const char *setting;
    const char *org_id, *group_id;
};

/** Listens there, for nobody but this user, and root. Writes its name (abstract ones begin with '@'). The
 * descriptor, not blocking, or -1 with the cause in err; admin_socket_remove ends it. */
PA_MUST_USE int admin_socket_listen(const struct admin_socket_choice *choice,
                                    char name[ADMIN_SOCKET_NAME_SIZE], struct error *err);
/** Takes the name out of the file system, where it is there. */
void admin_socket_remove(const char *name);
/** May this peer ask? It is this user, or root. */
PA_MUST_USE bool admin_socket_trusts_client(int fd);

/** Connects to the agent of that name. The descriptor, or -1 with the cause in err (PA_ERR_NOT_FOUND: nobody
 * listens there; PA_ERR_INVALID: somebody else's program does). */
PA_MUST_USE int admin_socket_connect(const char *name, struct error *err);
/** Is what this descriptor is connected to this user's agent? Root asks those of other users too, by a path,
 * which only they can have made. */
PA_MUST_USE bool admin_socket_trusts_agent(int fd, bool abstract);
/** Every name under which an agent may listen. `choice` without an organisation and setting: whatever agents
 * are found on this machine. `each` returns false when it has seen enough. */
void admin_socket_each(const struct admin_socket_choice *choice, bool (*each)(void *ctx, const char *name),
                       void *ctx);
