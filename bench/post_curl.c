/* The floor's poster: a bare multi handle of libcurl's, epoll, an easy handle a request in flight. */
#include "base/buffer.h"
#include "event/signature.h"
#include "post.h"
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

/** An easy handle with what it borrows. */
struct slot {
    CURL *easy;
    size_t number;
    struct buffer url;
    struct curl_slist type, stamp, signature;
    char stamp_text[48], signature_text[24 + SIGNATURE_SIZE];
};

static struct {
    int epoll;
    CURLM *multi;
    int64_t due_ns;
    struct slot *slots;
} poster = {.due_ns = -1};

static size_t discard(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

static void slot_open(struct slot *slot, const char *ca)
{
    static char json[] = "Content-Type: application/json";
    CURL *easy = slot->easy = curl_easy_init();
    if (!easy)
        die("request", "out of memory");
    slot->type = (struct curl_slist){json, &slot->stamp};
    slot->stamp = (struct curl_slist){slot->stamp_text, &slot->signature};
    slot->signature = (struct curl_slist){slot->signature_text, NULL};
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, &slot->type);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    if (ca)
        curl_easy_setopt(easy, CURLOPT_CAINFO, ca);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    (void)easy;
    (void)ctx;
    struct epoll_event event = {.data.fd = fd};
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (what == CURL_POLL_REMOVE)
        epoll_ctl(poster.epoll, EPOLL_CTL_DEL, fd, NULL);
    else
        epoll_ctl(poster.epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (what != CURL_POLL_REMOVE && !known)
        curl_multi_assign(poster.multi, fd, &poster);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    (void)ctx;
    poster.due_ns = timeout_ms < 0 ? -1 : now_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000;
    return 0;
}

void post_open(int epoll, size_t in_flight, const char *ca)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    poster.epoll = epoll;
    poster.multi = curl_multi_init();
    poster.slots = calloc(in_flight, sizeof *poster.slots);
    if (!poster.multi || !poster.slots)
        die("libcurl", "out of memory");
    curl_multi_setopt(poster.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(poster.multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(poster.multi, CURLMOPT_MAXCONNECTS, (long)in_flight);
    for (size_t i = 0; i < in_flight; i++) {
        poster.slots[i].number = i;
        slot_open(&poster.slots[i], ca);
    }
}

void post_start(size_t number, struct slice url, struct slice body, const char *stamp, const char *signature)
{
    struct slot *slot = &poster.slots[number];
    snprintf(slot->stamp_text, sizeof slot->stamp_text, "X-Port-Timestamp: %s", stamp);
    snprintf(slot->signature_text, sizeof slot->signature_text, "X-Port-Signature: %s", signature);
    slot->url.len = 0;
    buffer_append_slice(&slot->url, url);
    curl_easy_setopt(slot->easy, CURLOPT_URL, buffer_text(&slot->url));
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    if (curl_multi_add_handle(poster.multi, slot->easy) != CURLM_OK)
        die("libcurl", "cannot start a request");
}

static void collect(void)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(poster.multi, &left))) {
        struct slot *slot = NULL;
        long status = 0;
        if (message->data.result != CURLE_OK)
            die("request", curl_easy_strerror(message->data.result));
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &slot);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200)
            die("request", "another status than 200");
        curl_multi_remove_handle(poster.multi, slot->easy);
        post_answered(slot->number);
    }
}

void post_ready(int fd, uint32_t events)
{
    int running, flags = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                         (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                         (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    curl_multi_socket_action(poster.multi, fd, flags, &running);
    collect();
}

int64_t post_due_at_ns(void)
{
    return poster.due_ns;
}

void post_due(void)
{
    int running;
    poster.due_ns = -1;
    curl_multi_socket_action(poster.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect();
}
