/* Capitals by rule, and by a list of the names that are written otherwise. */
#include "http/header_name.h"
#include <string.h>
#include <strings.h>

/** Names, and words of names (with their hyphen), that are not written with one capital a word. */
static const char *const NAMES[] = {"ETag",
                                    "TE",
                                    "DNT",
                                    "NEL",
                                    "P3P",
                                    "DAV",
                                    "DASL",
                                    "SourceMap",
                                    "Accept-CH",
                                    "Expect-CT",
                                    "Critical-CH",
                                    "CF-RAY",
                                    "CF-Cache-Status",
                                    "Content-MD5",
                                    "Content-ID",
                                    "MIME-Version",
                                    "WWW-Authenticate",
                                    "X-UA-Compatible",
                                    "X-XSS-Protection",
                                    "X-DNS-Prefetch-Control",
                                    "Sec-GPC",
                                    "X-OAuth-Scopes",
                                    "X-Accepted-OAuth-Scopes"};
static const char *const WORDS[] = {"RateLimit", "WebSocket", "GitHub", "GitLab"};

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static void capitalise_word(char *word, size_t len)
{
    if (len > 0 && is_letter(*word))
        *word = (char)(*word - 'a' + 'A');
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (strlen(WORDS[i]) == len && strncasecmp(WORDS[i], word, len) == 0)
            memcpy(word, WORDS[i], len);
}

void header_name_capitals(char *name, size_t len)
{
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strlen(NAMES[i]) == len && strncasecmp(NAMES[i], name, len) == 0) {
            memcpy(name, NAMES[i], len);
            return;
        }
    for (size_t at = 0; at < len;) {
        const char *hyphen = memchr(name + at, '-', len - at);
        size_t word = hyphen ? (size_t)(hyphen - name) - at : len - at;
        capitalise_word(name + at, word);
        at += word + 1;
    }
}
