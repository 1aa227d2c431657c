/* Lists what secret, timestamp and body may have been meant as, and signs their combinations until one
 * gives the signature. */
#include "diagnosis.h"
#include "agent/json_form.h"
#include "event/scan.h"
#include "event/signature.h"
#include "json/canonical.h"
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

enum {
    VARIANTS_MAX = 24,
    DIGEST_SIZE = 32,
    BASE64_SIZE = 44,
    HEX_SIZE = 64,
    AGE_S = 300,
    THREE_DIFFERENCES_MAX = 64 * 1024,
    FORMS_MAX = 4 << 20
};

/** Bytes that may have been meant, and what is different about them; the first of a list is what was given.
 */
struct variant {
    const char *difference;
    struct buffer bytes;
};

struct variants {
    struct variant list[VARIANTS_MAX];
    size_t count;
};

struct diagnosis {
    const struct signature_case *given;
    struct buffer *findings;
    /** The record's own, where it is one. */
    struct slice timestamp, signature;
    struct variants secrets, timestamps, bodies;
    unsigned char digest[DIGEST_SIZE];
};

static void add_finding(struct diagnosis *diagnosis, const char *finding)
{
    buffer_append_text(diagnosis->findings, finding);
    buffer_append_char(diagnosis->findings, '\n');
}

/* Variants */

/** Adds bytes that no earlier variant has. */
static void add_variant(struct variants *variants, const char *difference, struct slice bytes)
{
    for (size_t i = 0; i < variants->count; i++)
        if (slice_equal(buffer_slice(&variants->list[i].bytes), bytes))
            return;
    if (variants->count == VARIANTS_MAX)
        return;
    struct variant *variant = &variants->list[variants->count];
    *variant = (struct variant){.difference = difference};
    buffer_append_slice(&variant->bytes, bytes);
    if (variant->bytes.failed)
        buffer_clear(&variant->bytes);
    else
        variants->count++;
}

static void add_with_end(struct variants *variants, const char *difference, struct slice bytes,
                         const char *end)
{
    struct buffer longer = {0};
    buffer_append_slice(&longer, bytes);
    buffer_append_text(&longer, end);
    add_variant(variants, difference, buffer_slice(&longer));
    buffer_clear(&longer);
}

static void variants_clear(struct variants *variants)
{
    for (size_t i = 0; i < variants->count; i++)
        buffer_wipe(&variants->list[i].bytes);
}

static bool is_quoted(struct slice text)
{
    return text.len >= 2 && (*text.ptr == '"' || *text.ptr == '\'') && text.ptr[text.len - 1] == *text.ptr;
}

static struct slice without_quotes(struct slice text)
{
    text = slice_trim(text);
    return is_quoted(text) ? (struct slice){text.ptr + 1, text.len - 2} : text;
}

static void list_secrets(struct variants *secrets, struct slice secret)
{
    add_variant(secrets, NULL, secret);
    add_variant(secrets, "the blanks or line breaks around the secret are removed", slice_trim(secret));
    add_variant(secrets, "the quotes around the secret are removed", without_quotes(secret));
    add_with_end(secrets, "the secret is followed by a line break: the sender's has one", secret, "\n");
    add_with_end(secrets, "the secret is followed by CR LF: the sender's has them", secret, "\r\n");
    if (secret.len > DIGEST_SIZE)
        add_variant(
            secrets,
            "only the first 32 bytes of the secret are used (those are the key of encrypted properties)",
            (struct slice){secret.ptr, DIGEST_SIZE});
}

static void list_timestamps(struct variants *timestamps, struct slice timestamp)
{
    add_variant(timestamps, NULL, timestamp);
    add_variant(timestamps, "the blanks or quotes around the timestamp are removed",
                without_quotes(timestamp));
    if (timestamp.len == 13)
        add_variant(timestamps, "the timestamp is written in seconds instead of milliseconds",
                    (struct slice){timestamp.ptr, timestamp.len - 3});
    add_with_end(timestamps, "the timestamp is written in milliseconds instead of seconds", timestamp, "000");
}

static void list_forms(struct variants *bodies, struct slice canonical)
{
    static const struct {
        const char *difference;
        struct json_form form;
    } forms[] = {
        {"the body is written with \\u escapes (Python's ensure_ascii)", {"", "", 0, true, false, false}},
        {"the body is written with blanks after commas and colons (Python's json.dumps)",
         {" ", " ", 0, false, false, false}},
        {"the body is written with blanks after commas and colons and \\u escapes (Python's json.dumps)",
         {" ", " ", 0, true, false, false}},
        {"the body is pretty-printed with 2 blanks", {"", " ", 2, false, false, false}},
        {"the body is pretty-printed with 4 blanks", {"", " ", 4, false, false, false}},
        {"the body is pretty-printed with 4 blanks and \\u escapes", {"", " ", 4, true, false, false}},
        {"<, > and & in the body are written as \\u escapes (Go's json.Marshal)",
         {"", "", 0, false, true, false}},
        {"the body's numbers are written as JavaScript writes them (1.0 becomes 1)",
         {"", "", 0, false, false, true}},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms && canonical.len <= FORMS_MAX; i++) {
        struct buffer text = {0};
        json_write(canonical, &forms[i].form, &text);
        add_variant(bodies, forms[i].difference, buffer_slice(&text));
        buffer_clear(&text);
    }
}

static void add_unix_lines(struct variants *bodies, struct slice body)
{
    struct buffer text = {0};
    for (size_t i = 0; i < body.len; i++)
        if (body.ptr[i] != '\r' || i + 1 == body.len || body.ptr[i + 1] != '\n')
            buffer_append_char(&text, body.ptr[i]);
    add_variant(bodies, "the body's lines end in LF, not CR LF", buffer_slice(&text));
    buffer_clear(&text);
}

static struct slice without_newline(struct slice body)
{
    if (body.len > 0 && body.ptr[body.len - 1] == '\n')
        body.len--;
    if (body.len > 0 && body.ptr[body.len - 1] == '\r')
        body.len--;
    return body;
}

static void list_bodies(struct variants *bodies, struct slice body)
{
    struct buffer canonical = {0};
    struct event event;
    event_init(&event);
    add_variant(bodies, NULL, body);
    add_variant(bodies, "the body's final line break is removed", without_newline(body));
    add_with_end(bodies, "the body is followed by a line break", body, "\n");
    add_unix_lines(bodies, body);
    if (json_canonical(body, &canonical, NULL) == 0) {
        add_variant(bodies, "the body is written as compact JSON without \\u escapes",
                    buffer_slice(&canonical));
        list_forms(bodies, buffer_slice(&canonical));
    }
    if (event_parse(&event, EVENT_RUN, body, NULL) == 0)
        add_variant(bodies,
                    "the body is an event: its signature members are cut out (verify it with --event)",
                    buffer_slice(&event.payload));
    add_variant(bodies, "the body is left out: nothing was signed but the timestamp", SLICE_LITERAL(""));
    event_clear(&event);
    buffer_clear(&canonical);
}

/** The record without the two signature members, with or without what else is in its headers. */
static void add_record(struct variants *bodies, const char *difference, struct slice record, bool headers)
{
    struct buffer payload = {0}, texts = {0};
    struct scan scan = {.in = record, .out = &payload, .texts = &texts};
    if (scan_record(&scan, NULL) == 0) {
        if (!headers && scan.headers_found && !scan.headers_twice)
            scan_cut_headers(&scan);
        add_variant(bodies, difference, buffer_slice(&payload));
    }
    buffer_clear(&payload);
    buffer_clear(&texts);
}

static void list_records(struct variants *bodies, const struct event *event, struct slice record)
{
    add_variant(bodies, NULL, buffer_slice(&event->payload));
    add_record(bodies, "the rest of headers stays, though the type is GITLAB", record, true);
    add_record(bodies, "the whole member headers is left out, which holds for type GITLAB only", record,
               false);
    add_variant(bodies, "the record's bytes are taken as they are, signature members included", record);
    list_forms(bodies, buffer_slice(&event->payload));
}

/* Signatures */

static bool read_base64(struct slice text, unsigned char digest[DIGEST_SIZE])
{
    unsigned char plain[BASE64_SIZE], bytes[DIGEST_SIZE + 4];
    if (text.len != BASE64_SIZE || text.ptr[BASE64_SIZE - 1] != '=')
        return false;
    for (size_t i = 0; i < BASE64_SIZE; i++)
        plain[i] = text.ptr[i] == '-' ? '+' : text.ptr[i] == '_' ? '/' : (unsigned char)text.ptr[i];
    if (EVP_DecodeBlock(bytes, plain, BASE64_SIZE) != DIGEST_SIZE + 1)
        return false;
    memcpy(digest, bytes, DIGEST_SIZE);
    return true;
}

static bool read_hex(struct slice text, unsigned char digest[DIGEST_SIZE])
{
    char copy[HEX_SIZE + 1];
    size_t len = 0;
    if (text.len != HEX_SIZE || memchr(text.ptr, ':', text.len))
        return false;
    memcpy(copy, text.ptr, HEX_SIZE);
    copy[HEX_SIZE] = '\0';
    return OPENSSL_hexstr2buf_ex(digest, DIGEST_SIZE, &len, copy, '\0') == 1 && len == DIGEST_SIZE;
}

/** The digest that the signature means, with what is odd about its writing; false: it means none. */
static bool read_signature(struct diagnosis *diagnosis)
{
    static const char name[] = "X-Port-Signature:";
    struct slice text = diagnosis->signature;
    struct slice plain = without_quotes(text);
    if (plain.len >= sizeof name - 1 && strncasecmp(plain.ptr, name, sizeof name - 1) == 0) {
        add_finding(diagnosis,
                    "the signature is given with the header's name; leave \"X-Port-Signature:\" out");
        plain = slice_trim((struct slice){plain.ptr + sizeof name - 1, plain.len - (sizeof name - 1)});
    } else if (plain.len != text.len) {
        add_finding(diagnosis, "the signature has blanks, line breaks or quotes around it");
    }
    if (slice_starts_with(plain, "v1,"))
        plain = (struct slice){plain.ptr + 3, plain.len - 3};
    else if (plain.len > 3 && *plain.ptr == 'v' && plain.ptr[2] == ',')
        add_finding(diagnosis, "the signature's version is not v1: this scheme is not known here");
    else
        add_finding(diagnosis, "the signature does not begin with \"v1,\"");
    if (read_base64(plain, diagnosis->digest)) {
        if (memchr(plain.ptr, '-', plain.len) || memchr(plain.ptr, '_', plain.len))
            add_finding(diagnosis, "the signature is base64url; Port's is standard base64, with + and /");
        return true;
    }
    if (read_hex(plain, diagnosis->digest)) {
        add_finding(diagnosis, "the signature is hexadecimal; Port's is base64");
        return true;
    }
    buffer_appendf(
        diagnosis->findings,
        "the signature is not base64 of 32 bytes: it has %zu characters after \"v1,\", and 44 with "
        "one = at the end are right; it was cut or changed\n",
        plain.len);
    return false;
}

/* The search */

static bool matches(const struct diagnosis *diagnosis, size_t secret, size_t timestamp, size_t body)
{
    struct slice key = buffer_slice(&diagnosis->secrets.list[secret].bytes);
    struct buffer message = {0};
    unsigned char digest[DIGEST_SIZE];
    size_t len = 0;
    /* One more than there are timestamps: only the body was signed. */
    if (timestamp < diagnosis->timestamps.count) {
        buffer_append_slice(&message, buffer_slice(&diagnosis->timestamps.list[timestamp].bytes));
        buffer_append_char(&message, '.');
    }
    buffer_append_slice(&message, buffer_slice(&diagnosis->bodies.list[body].bytes));
    struct slice bytes = buffer_slice(&message);
    bool made = !message.failed &&
                EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.ptr, key.len,
                          (const unsigned char *)bytes.ptr, bytes.len, digest, sizeof digest, &len);
    buffer_clear(&message);
    return made && len == DIGEST_SIZE && CRYPTO_memcmp(digest, diagnosis->digest, DIGEST_SIZE) == 0;
}

static void tell_match(struct diagnosis *diagnosis, size_t secret, size_t timestamp, size_t body)
{
    static const char alone[] = "the body alone is signed, without the timestamp and the dot";
    const char *differences[] = {
        diagnosis->secrets.list[secret].difference,
        timestamp < diagnosis->timestamps.count ? diagnosis->timestamps.list[timestamp].difference : alone,
        diagnosis->bodies.list[body].difference};
    buffer_append_text(diagnosis->findings, "the signature matches when ");
    const char *before = "";
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++) {
        if (!differences[i])
            continue;
        buffer_appendf(diagnosis->findings, "%s%s", before, differences[i]);
        before = ", and ";
    }
    if (!*before)
        buffer_append_text(diagnosis->findings, "it is written as \"v1,\" and standard base64");
    buffer_append_char(diagnosis->findings, '\n');
}

/** Tries everything that has this many differences. */
static bool search(struct diagnosis *diagnosis, unsigned differences)
{
    for (size_t secret = 0; secret < diagnosis->secrets.count; secret++)
        for (size_t timestamp = 0; timestamp <= diagnosis->timestamps.count; timestamp++)
            for (size_t body = 0; body < diagnosis->bodies.count; body++) {
                unsigned has = (secret > 0 ? 1U : 0U) + (timestamp > 0 ? 1U : 0U) + (body > 0 ? 1U : 0U);
                if (has != differences || !matches(diagnosis, secret, timestamp, body))
                    continue;
                tell_match(diagnosis, secret, timestamp, body);
                return true;
            }
    return false;
}

static void search_all(struct diagnosis *diagnosis)
{
    unsigned most = diagnosis->given->body.len > THREE_DIFFERENCES_MAX ? 2 : 3;
    for (unsigned differences = 0; differences <= most; differences++)
        if (search(diagnosis, differences))
            return;
    add_finding(diagnosis,
                "no other reading of secret, timestamp and body matches either: the secret is another "
                "organisation's or an old one, or the body or the timestamp was changed after signing");
}

/* What can be seen without trying */

static void judge_timestamp(struct diagnosis *diagnosis)
{
    struct slice text = diagnosis->timestamp;
    int64_t seconds = 0;
    if (text.len == 0) {
        add_finding(diagnosis, "the timestamp is empty");
        return;
    }
    if (!signature_timestamp_is_usable(text)) {
        add_finding(diagnosis,
                    "the timestamp is malformed: it is not a whole number of seconds since the epoch");
        return;
    }
    for (size_t i = 0; i < text.len; i++)
        seconds = seconds * 10 + (text.ptr[i] - '0');
    if (seconds > 100000000000) {
        add_finding(diagnosis, "the timestamp is too large for seconds since the epoch: milliseconds?");
    } else {
        int64_t age = diagnosis->given->now_s - seconds;
        int64_t away = age < 0 ? -age : age;
        if (away > AGE_S)
            buffer_appendf(diagnosis->findings,
                           "the timestamp is %" PRId64 " s (%.1f h) in the %s: an old message, sent again "
                           "(a replay), or a clock that is wrong\n",
                           away, (double)away / 3600, age > 0 ? "past" : "future");
    }
}

static void judge_secret(struct diagnosis *diagnosis)
{
    struct slice secret = diagnosis->given->secret;
    if (slice_trim(secret).len != secret.len)
        add_finding(diagnosis, "the secret has blanks or line breaks around it");
    else if (is_quoted(secret))
        add_finding(diagnosis, "the secret has quotes around it");
}

static bool signed_over(struct signer *signer, struct slice timestamp, struct slice signature,
                        struct slice message)
{
    char expected[SIGNATURE_SIZE];
    return signer && signature_timestamp_is_usable(timestamp) &&
           signer_sign_text(signer, timestamp, message, expected) == 0 &&
           signature.len == SIGNATURE_SIZE - 1 &&
           CRYPTO_memcmp(expected, signature.ptr, SIGNATURE_SIZE - 1) == 0;
}

static bool is_valid(const struct diagnosis *diagnosis)
{
    struct signer *signer = signer_new(diagnosis->given->secret);
    bool valid = signed_over(signer, diagnosis->timestamp, diagnosis->signature,
                             buffer_slice(&diagnosis->bodies.list[0].bytes));
    signer_free(signer);
    return valid;
}

static void judge_missing(struct diagnosis *diagnosis, const struct event *event)
{
    bool record = diagnosis->given->record;
    if (slice_is_null(diagnosis->signature))
        add_finding(diagnosis, !record                       ? "there is no signature"
                               : event->has_signature_member ? "headers.X-Port-Signature is not a text"
                                                             : "headers.X-Port-Signature is missing");
    if (slice_is_null(diagnosis->timestamp))
        add_finding(diagnosis, !record ? "there is no timestamp"
                               : event->has_timestamp_member
                                   ? "headers.X-Port-Timestamp is neither a text nor a number"
                                   : "headers.X-Port-Timestamp is missing");
    if (record && !event->invocation.present)
        add_finding(diagnosis,
                    "it has no payload.action.invocationMethod: change-log events carry no signature, and "
                    "none is expected of them");
}

static bool diagnose(struct diagnosis *diagnosis, const struct event *event)
{
    const struct signature_case *given = diagnosis->given;
    if (slice_is_null(diagnosis->signature) || slice_is_null(diagnosis->timestamp)) {
        judge_missing(diagnosis, event);
        return false;
    }
    if (given->record)
        list_records(&diagnosis->bodies, event, given->body);
    else
        list_bodies(&diagnosis->bodies, given->body);
    bool valid = diagnosis->bodies.count > 0 && is_valid(diagnosis);
    if (!valid && read_signature(diagnosis)) {
        list_secrets(&diagnosis->secrets, given->secret);
        list_timestamps(&diagnosis->timestamps, diagnosis->timestamp);
        search_all(diagnosis);
    }
    if (!valid)
        judge_secret(diagnosis);
    judge_timestamp(diagnosis);
    return valid;
}

/* The two documented ways */

struct signature_ways signature_check_ways(const struct signature_case *given)
{
    static const struct json_form script = {"", "", 0, false, false, true};
    struct signer *signer = signer_new(given->secret);
    struct buffer canonical = {0}, parsed = {0};
    struct signature_ways ways = {.raw = signed_over(signer, given->timestamp, given->signature, given->body),
                                  .json = true};
    if (given->body.len == 0) {
        ways.parsed = ways.raw;
    } else if (json_canonical(given->body, &canonical, NULL) == 0) {
        json_write(buffer_slice(&canonical), &script, &parsed);
        ways.parsed =
            !parsed.failed && signed_over(signer, given->timestamp, given->signature, buffer_slice(&parsed));
    } else {
        ways.json = false;
    }
    buffer_clear(&canonical);
    buffer_clear(&parsed);
    signer_free(signer);
    return ways;
}

bool signature_diagnose(const struct signature_case *given, struct buffer *findings, bool *unreadable)
{
    struct diagnosis diagnosis = {
        .given = given, .findings = findings, .timestamp = given->timestamp, .signature = given->signature};
    struct event event;
    struct error err = {0};
    event_init(&event);
    *unreadable = given->record && event_parse(&event, EVENT_RUN, given->body, &err) != 0;
    if (*unreadable) {
        add_finding(&diagnosis, err.message);
        return false;
    }
    if (given->record) {
        diagnosis.timestamp = event.timestamp;
        diagnosis.signature = event.signature;
    }
    bool valid = diagnose(&diagnosis, &event);
    variants_clear(&diagnosis.secrets);
    variants_clear(&diagnosis.timestamps);
    variants_clear(&diagnosis.bodies);
    event_clear(&event);
    return valid;
}
