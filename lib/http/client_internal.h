/* Shared by the files of the HTTP client only: client.c (loop and life), sockets.c (what the loop watches),
 * call.c (one request), call_headers.c (its headers), exchange.c (requests and responses on connections of
 * libcurl's), hop.c (where its present hop leads), body.c (what is kept of responses), failure.c (libcurl's
 * codes in words), alert.c (a server's word on our certificate), redirect.c (which are followed), sessions.c
 * (TLS sessions), streams.c (how those of HTTP/2 end), transfer.c (what libcurl's result of a request does
 * not say), spare_calls.c (memory of calls that have ended). */
#pragma once
#include "http/addresses.h"
#include "http/client.h"
#include "http/decoding.h"
#include "http/egress.h"
#include "http/proxy.h"
#include "http/response.h"
#include <curl/curl.h>
#include <sys/queue.h>

enum { MAX_REDIRECTS = 5, MAX_HEADER_BYTES = 64 * 1024, TEXT_OPTIONS = 2, SPARE_CALLS = 64 };
/** Places for TLS sessions. */
enum { SESSION_PLACES = 32 };

/** Header lines that go with every request which has none of that name. libcurl would add them too, but
 * formats what it makes of its options twice, a character at a time. */
struct fixed_headers {
    char user_agent[160], accept_encoding[64];
};

/** The memory that long bodies share. */
struct body_room {
    size_t used;
    /** What their decoders hold, except a little that is free for each. */
    size_t decoders;
    /** In the order in which they began to wait. */
    struct http_call *waiting;
    /** The one that has space of its own, not counted in `used`; NULL: none. */
    struct http_call *beyond;
};

/** Memory of calls that have ended. */
struct spare_calls {
    struct http_call *calls[SPARE_CALLS];
    size_t count;
};

/** What all calls of a client share. */
struct client_shared {
    /** Its texts are the copies below. */
    struct http_client_options options;
    char *texts[TEXT_OPTIONS];
    struct proxy http_proxy, https_proxy;
    /** NULL: requests go anywhere. */
    struct egress *egress;
    struct addresses addresses;
    struct fixed_headers fixed_headers;
    struct body_room body_room;
    /** The active ones. */
    LIST_HEAD(http_calls, http_call) calls;
    struct spare_calls spare;
    /** Where libcurl keeps TLS sessions; see sessions.c. NULL: not needed yet. */
    CURLSH *sessions[SESSION_PLACES];
    /** When the last TLS connection was begun, on the loop's clock, and how many before it at that time. */
    uint64_t begun_ms, begun_together;
};

/** What a call has going on a connection of its own (exchange.c). */
struct exchange {
    /** NULL: none yet, or none any more. */
    struct connection *connection;
    /** Those whose requests are to be sent, those of whose answers more has come, or those that are over. */
    TAILQ_ENTRY(http_call) queue;
    bool due, unread, over;
    /** Of those that are over; HTTP_OK: a response has come. */
    enum http_failure failure;
    /** Its connection may be used again. */
    bool keep;
    /** The request, or its head, and what of it has been sent. */
    struct buffer out;
    size_t out_sent, body_sent;
    /** The connection takes nothing more. */
    bool send_failed;
    /** Received, and kept back until there is room for it. */
    struct buffer in;
    bool anything_came;
    /** The connection had been used before. */
    bool reused;
    /** Bytes sent, over all hops and connections of the present hop. */
    uint64_t sent;
    struct response response;
};

/** The headers that go with a call (call_headers.c). */
struct call_headers {
    /** As they are sent, each with its CR LF. */
    struct buffer lines;
    /** So much of them is Host, the first; 0: the URL says the host. */
    size_t host_line;
    /** There are such among them. */
    bool authorization, accept;
    /** The same for libcurl: an array of nodes, with their texts behind them. NULL: it was given none. */
    struct curl_slist *list;
};

/** HTTP/2's, as streams.c knows it. */
struct stream {
    /** Of its connection; 0: none. */
    int id;
    /** By END_STREAM; by RST_STREAM before that. */
    bool ended, cut;
    /** By RST_STREAM with REFUSED_STREAM: nothing was done for it (RFC 9113, section 8.7). */
    bool refused;
};

struct http_call {
    /** In `shared->calls`. */
    LIST_ENTRY(http_call) active;
    /** For client.c alone. */
    struct http_client *client;
    struct client_shared *shared;
    /** NULL: never got that far, or its connection has been given on. */
    CURL *easy;
    /** The present hop's exchange is ours (exchange.c), on a connection of libcurl's. */
    bool ours;
    struct exchange exchange;
    struct stream stream;
    struct call_headers headers;
    char *method;
    /** Of the present hop, normalised. */
    char *url;
    /** No: it is as it came, `reason` says what is wrong, and nothing is sent. */
    bool bad_url;
    /** The same, borrowed; NULL: libcurl parses it. */
    CURLU *parsed;
    struct slice body;
    bool has_body, discard_body, keep_headers, keep_date, wants_text;
    size_t max_response_bytes, keep_bytes;
    http_without_body *without_body;
    http_done *done;
    void *ctx;

    struct buffer response, response_headers, text;
    /** The connection that the request was last sent over speaks HTTP/2. */
    bool http2;
    /** libcurl tells of a head, whose empty line has not come. */
    bool in_head;
    /** Its last header says where the body ends. */
    bool line_frames;
    /** Decoded bytes that came, kept or not. */
    size_t received;
    size_t header_bytes;
    enum http_cut cut;
    bool header_overflow;
    /** NULL: the body is as it came. */
    struct body_decoder *decoder;
    /** Its headers have been looked at. */
    bool decoder_known;
    /** How much of the body anybody will read; good then. */
    size_t most_kept;
    /** The decoder's window may hold the body once more. */
    bool large_window;
    /** That the decoder holds. */
    size_t decoder_bytes;
    /** Those of them that count (body_room). */
    size_t decoder_room;
    /** That the body has taken. */
    size_t room;
    /** For more of it, paused. */
    bool waiting;
    struct http_call *next_waiting;
    enum http_redirects follows;
    bool hides_url_paths;
    unsigned redirects;
    /** One of them led to another origin: nothing that was meant for the first goes along. */
    bool elsewhere;
    /** The file with the certificate that the present hop's server is shown, if it asks; borrowed. NULL:
     * none.
     */
    const char *certificate;
    /** Addresses of the present hop that were connected to, or tried. */
    unsigned opened;
    /** One of its addresses may not be connected to, for the reason in the next. */
    bool refused;
    /** See struct http_result. */
    bool processed;
    /** Of the present hop; NULL: none. */
    const struct proxy *proxy;
    /** Errno where none could be made for the present hop; 0: they all could. */
    int no_socket;
    /** The client's sockets. */
    struct http_sockets *sockets;
    /** It has answered the CONNECT of the present connection with a 2xx. */
    bool tunnelled;
    /** Why its answer is not taken, where libcurl does not say so; NULL: it does. */
    const char *proxy_words;
    /** Of the present hop: more than one is libcurl sending again. */
    unsigned sends;
    bool resent;
    /** Each time before the last one it was refused. */
    bool always_refused;
    int64_t started_ms, deadline_ms, active_ms;
    /** Bytes in and out at the last sweep. */
    curl_off_t progress;
    /** Decided by us (timeouts, cancel); HTTP_OK: libcurl's result counts. */
    enum http_failure verdict;
    /** Ends from the deferred queue. */
    bool deferred;
    /** Texts, whose first byte alone is cleared for the next call. Why `refused`. */
    char egress_why[EGRESS_WORDS];
    char curl_error[CURL_ERROR_SIZE];
    char reason[HTTP_REASON_SIZE];
};

/* shared.c */
/** Reads the options into a zero-initialised one; 0, PA_ERR_INVALID, PA_ERR_MEMORY. Clear with shared_clear
 * in all cases. */
PA_MUST_USE int shared_init(struct client_shared *shared, const struct http_client_options *options,
                            struct error *err);
/** No easy handle is left. */
void shared_clear(struct client_shared *shared);

/* sessions.c */
/** Decides which place the handle takes a TLS session from for its next connection, and leaves its sessions
 * in: always the same, but several others for connections that are begun at once. */
void sessions_choose(struct client_shared *shared, CURL *easy, uint64_t origin);
/** No easy handle is left. */
void sessions_clear(struct client_shared *shared);

/* hop.c */
PA_MUST_USE bool has_proxy(const struct client_shared *shared);
/** The proxy that a call to this URL goes through (NULL: none). False: out of memory, or not a URL. */
PA_MUST_USE bool proxy_of(const struct client_shared *shared, const char *url, const struct proxy **out);
struct origin {
    /** Host: an international name in its xn-- form; lower case is not promised. The port is always there. */
    char *scheme, *host, *port;
};
/** Where a URL leads; false: it is not a URL, or out of memory. Clear with origin_clear in both cases. */
PA_MUST_USE bool origin_of(const char *url, struct origin *origin);
void origin_clear(struct origin *origin);
/** The call that libcurl makes with the handle; NULL: none of ours. */
PA_MUST_USE struct http_call *call_of(CURL *easy);
/** Its proxy is asked for the whole URL, as opposed to one that only connects. */
PA_MUST_USE bool asks_proxy(const struct http_call *call);
/** Its proxy is one that speaks HTTP, and is asked for a tunnel with CONNECT. */
PA_MUST_USE bool goes_through_tunnel(const struct http_call *call);
/** The connection is to such a proxy, without TLS, and the tunnel does not stand yet. */
PA_MUST_USE bool asks_for_tunnel(const struct http_call *call);
/** A part of the present hop's request at least is on its way: on_send says only that it is to be written. */
PA_MUST_USE bool request_is_written(const struct http_call *call);
/** A request of libcurl's went over a connection that had been used before, which ended without a byte of a
 * response; it may be sent again. Over HTTP/2 libcurl does so itself in some cases alone. */
PA_MUST_USE bool ended_unheard(const struct http_call *call, CURLcode code);
/** The last response's header number `index` of this name; null: none. Good until the call goes on. */
struct slice call_header(const struct http_call *call, const char *name, size_t index);
/** The last response's status; 0: none has come. */
PA_MUST_USE int call_status(const struct http_call *call);
/** 10, 11, 20; 0: none has come. */
PA_MUST_USE int call_version(const struct http_call *call);
/** What the response says of its body's length; -1: nothing. */
PA_MUST_USE int64_t call_length(const struct http_call *call);

/* streams.c */
/** Once for the process, before any transfer. */
void http2_streams_begin(void);
/** A line of the trace that was told to this call: how each call's stream ends is in `stream` then. */
void http2_streams_traced(struct http_call *call, struct slice text);

/* transfer.c */
/** For a fresh easy handle, and once more before each hop. */
void transfer_prepare(CURL *easy, const struct http_client_options *options);
/** Each easy handle serves one hop at most (docs/workarounds.md). */
PA_MUST_USE bool easy_is_used_once(const struct client_shared *shared);
/** May libcurl read this line of a head of HTTP/1, with its end? Not where it breaks the rules, as
 * `exchange.response` says then. */
PA_MUST_USE bool transfer_may_read(struct http_call *call, struct slice line);
/** libcurl's result of a transfer, put right: CURLE_PARTIAL_FILE for half an answer that it takes for a whole
 * one, CURLE_OK for an answer that came though the connection was lost. May set `cut`. */
PA_MUST_USE CURLcode transfer_result(struct http_call *call, CURLcode code);

/* spare_calls.c */
/** A call that is all zero, except that its texts are empty and that the buffer for a response's head may
 * have memory. NULL: out of memory. */
PA_MUST_USE struct http_call *spare_call_take(struct spare_calls *spare);
/** Takes it back; it owns nothing but the buffer for a response's head. */
void spare_call_give(struct spare_calls *spare, struct http_call *call);
void spare_calls_free(struct spare_calls *spare);

/* call.c */
PA_MUST_USE struct http_call *call_new(struct client_shared *shared, const struct http_request *request,
                                       http_done *done, void *ctx);
/** Nothing has come of the present hop, whose proxy and way are decided; false: out of memory. */
PA_MUST_USE bool call_begin_hop(struct http_call *call);
/** Options of the present hop, after call_begin_hop: the whole request for a call that is not `ours`, else
 * its connection alone. False: out of memory. */
PA_MUST_USE bool call_prepare(struct http_call *call);
/** Where the present hop connects to, as a hash: the proxy, or the host and port of its URL. */
uint64_t call_origin(const struct http_call *call);
/** A header line of the present response, with its end, goes to those that are kept, as text. */
void call_keep_header(struct http_call *call, struct slice line);
/** The next hop asks with GET (HEAD stays) and without a body; false: out of memory. */
PA_MUST_USE bool call_drop_body(struct http_call *call);
void call_free(struct http_call *call);
/** The deadline that it has passed by now; HTTP_OK: none. */
PA_MUST_USE enum http_failure call_overdue(struct http_call *call, int64_t now);
/** Fills a cleared result, which borrows from the call. `code` is libcurl's, for the reason. */
void call_result(struct http_call *call, enum http_failure failure, CURLcode code,
                 struct http_result *result);
/** Options that never change, for a fresh easy handle; false: out of memory. */
PA_MUST_USE bool easy_prepare(CURL *easy, const struct http_client_options *options);

/* call_headers.c */
void fixed_headers_fill(struct fixed_headers *fixed, const char *user_agent);
/** Makes the list for libcurl of the call's headers and of those that it is not to add. False: out of memory.
 */
PA_MUST_USE bool call_headers_list(struct http_call *call);
void call_headers_clear(struct call_headers *headers);
/** The headers that go to another origin: what describes the body, if there is one, alone. False: out of
 * memory. */
PA_MUST_USE bool call_leave_origin(struct http_call *call);

/* body.c */
enum body_taken { BODY_TAKEN, BODY_HELD_BACK, BODY_ENDED };
/** Bytes of the body as they came. BODY_HELD_BACK: none, the call waits for room, and the same bytes are to
 * come again; BODY_ENDED: no more is wanted. */
PA_MUST_USE enum body_taken body_take(struct http_call *call, struct slice bytes);
/** CURLOPT_WRITEFUNCTION. */
size_t body_received(char *bytes, size_t size, size_t count, void *ctx);
/** The transfer is over: sees whether the body's coding is too. */
void body_over(struct http_call *call, CURLcode code);
/** The first of the calls that wait and for which there is space: the call has the space then, and no longer
 * waits. NULL: none. */
PA_MUST_USE struct http_call *body_give_room(struct body_room *room);
/** Gives the call's space and its decoder back, and its place among those who wait. Others get it with
 * body_give_room. Outside of libcurl's callbacks. */
void body_leave(struct http_call *call);

/* failure.c */
/** Nothing came from where the name led, or nothing that can be used. */
PA_MUST_USE bool nothing_came(enum http_failure failure);
PA_MUST_USE enum http_failure failure_of(struct http_call *call, CURLcode code);
/** The proxy has answered itself: it wants another user and password. `code` is libcurl's. */
PA_MUST_USE bool proxy_refuses_password(const struct http_call *call, CURLcode code);
void failure_reason(struct http_call *call, enum http_failure failure, CURLcode code, char *out, size_t size);

/* alert.c */
/** In place of an answer the server sent a TLS alert about our certificate, or that it wants one. */
PA_MUST_USE bool alert_came_for_an_answer(const struct http_call *call);
/** A connection made for this hop was lost when our end of the handshake was over, before anything of the
 * request was written: with TLS 1.3 the server's end comes later, and its alert is lost with the connection
 * where it does not wait. Good until the easy handle is used again. */
PA_MUST_USE bool handshake_was_cut_off(const struct http_call *call);
/** What to do about either, to be put behind its words ("; it wants a client certificate: see
 * WEBHOOK_CLIENT_CERT"); "" for every other failure. */
void alert_hint(const struct http_call *call, char *out, size_t size);

/* redirect.c */
/** 307 and 308; the others are asked with GET (or HEAD) and without a body. */
PA_MUST_USE bool redirect_keeps_method(long status);
/** Where the last response redirects to; null: it is an answer, or no redirect is followed. Good until the
 * easy handle is used again. */
struct slice redirect_location(const struct http_call *call);
/** Looks at a redirect, whose location is not empty. True: `*next` (malloc'ed, normalised) is to be fetched;
 * false: `reason`, of at least 256 bytes, says where it leads and why it is not followed. `call->url` is
 * normalised. `*elsewhere`: it leads to another origin. */
PA_MUST_USE bool redirect_allowed(const struct http_call *call, int status, struct slice location,
                                  char **next, bool *elsewhere, char *reason, size_t size);

/* sockets.c */
typedef void socket_is_ready(void *ctx, curl_socket_t fd, int curl_cselect_flags);
/** Nothing can watch the socket of this call, which would wait until its deadline: it is to be ended, soon.
 * libcurl must not hear of it: it would give up the whole multi handle. */
typedef void socket_is_unwatched(struct http_call *call);
/** One that was taken over is ready: UV_READABLE, UV_WRITABLE. */
typedef void taken_socket_is_ready(void *owner, int events);
struct http_sockets {
    uv_loop_t *loop;
    /** Indexed by file descriptor. */
    struct socket_watch **watches;
    size_t room;
    /** A proxy has been asked for one. */
    bool tunnels;
    socket_is_ready *ready;
    socket_is_unwatched *unwatched;
    taken_socket_is_ready *taken_ready;
    void *ctx;
};
/** Takes the socket of a connection over from libcurl, which has made it: `taken_ready` is told of it, with
 * this owner. False: there is no such socket. */
PA_MUST_USE bool socket_take(struct http_sockets *sockets, curl_socket_t fd, void *owner);
/** Libcurl closes it next. */
void socket_give_back(struct http_sockets *sockets, curl_socket_t fd);
/** What the kernel watches one for that was taken over: UV_READABLE, UV_WRITABLE, or 0. */
void socket_watch_for(struct http_sockets *sockets, curl_socket_t fd, int events);
/** Watches the multi handle's sockets on the loop; `ready` is told of those that can go on, with `ctx`. */
void sockets_open(struct http_sockets *sockets, uv_loop_t *loop, CURLM *multi, socket_is_ready *ready,
                  socket_is_unwatched *unwatched, void *ctx);
/** Takes the interim answers that have come to CONNECT out of libcurl's way: before it is told of a timeout,
 * after which it reads for itself. */
void sockets_take_interim(struct http_sockets *sockets);
/** Does libcurl wait for this socket to become ready? */
PA_MUST_USE bool socket_is_wanted(const struct http_sockets *sockets, curl_socket_t fd);
/** Memory ran out inside libcurl. Before 8.5 a connection that it could not write down as watched is closed
 * without telling us, and what was written down of it stays, in pieces: the process would end when the number
 * of its socket came again. So a number that may be one of these is not used again until it is closed through
 * us.
 */
void sockets_spoil(struct http_sockets *sockets);
/** For every fresh easy handle: its connections are opened (call_prepare says for which call) and closed
 * here. */
void sockets_prepare(struct http_sockets *sockets, CURL *easy);
/** Once the multi handle is gone. Watches that close still do so on the loop, by themselves. */
void sockets_close(struct http_sockets *sockets);

/* refusal.c */
/** May the present hop go where it leads, as far as its URL alone decides? False: HTTP_EGRESS, or
 * HTTP_MEMORY in `failure`. */
PA_MUST_USE bool call_may_go(struct http_call *call, enum http_failure *failure);
/** May it connect to this address, which its name led to? Not if so: the call knows why. */
PA_MUST_USE bool call_may_connect(struct http_call *call, const struct sockaddr *address);
/** None of the addresses may be connected to. */
PA_MUST_USE bool call_was_refused(const struct http_call *call);

/* client.c */
PA_MUST_USE struct client_shared *client_shared(struct http_client *client);
