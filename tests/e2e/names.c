/* Preloaded into the agent: names of the file in $NAMES ("name address" lines, read at every call) lead where
 * it says, to all that it says; the others where they do anyway. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int lookup(const char *, const char *, const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    lookup *real = (lookup *)dlsym(RTLD_NEXT, "getaddrinfo");
    FILE *file = name && getenv("NAMES") ? fopen(getenv("NAMES"), "re") : NULL;
    char known[256], address[64];
    struct addrinfo **end = found;
    int failed = EAI_NONAME;
    *found = NULL;
    while (file && fscanf(file, "%255s %63s", known, address) == 2) {
        if (strcmp(known, name) != 0)
            continue;
        int result = real(address, service, hints, end); /* none for the other family */
        failed = *found ? 0 : result;
        while (*end)
            end = &(*end)->ai_next;
    }
    if (file)
        fclose(file);
    return failed == EAI_NONAME && !*found ? real(name, service, hints, found) : failed;
}
