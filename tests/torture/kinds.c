#include "kinds.h"
#include "mappings.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN "/v1/actions/runs/%s"
#define NODE "/v1/workflows/nodes/runs/%s"
#define SUCCESS RUN " {\"status\":\"SUCCESS\"}\n"
#define RESPONSE RUN "/response {\"response\":{\"ok\":true}}\n"
#define LARGE(how_) RUN "/response " how_ "\n"
#define NODE_SUCCESS(data_)                                                                            \
    NODE " {\"status\":\"COMPLETED\",\"result\":\"SUCCESS\",\"output\":{\"response\":{\"status\":200," \
         "\"data\":" data_ "}}}\n"
#define MADE(summary_) RUN " {\"status\":\"SUCCESS\",\"summary\":\"" summary_ "\",\"externalRunId\":\"77\"}\n"

const struct kind kinds[] = {
    {.name = "asynchronous", .run_id = "r_", .endpoint = "ok", .webhooks = 1, .results = ""},
    {.name = "synchronous",
     .run_id = "r_",
     .endpoint = "ok",
     .synchronized = true,
     .webhooks = 1,
     .results = RESPONSE SUCCESS,
     .results_cut = {SUCCESS}},
    {.name = "failing", .run_id = "r_", .endpoint = "fail", .synchronized = true, .webhooks = 1},
    {.name = "retried", .run_id = "r_", .endpoint = "busy", .keyed = true, .webhooks = 2, .results = ""},
    {.name = "redirected", .run_id = "r_", .endpoint = "moved", .webhooks = 1, .results = ""},
    {.name = "redirected-bodiless",
     .run_id = "r_",
     .endpoint = "other",
     .synchronized = true,
     .webhooks = 1,
     .results = RESPONSE SUCCESS,
     .results_cut = {SUCCESS}},
    {.name = "compressed",
     .run_id = "r_",
     .endpoint = "zipped",
     .synchronized = true,
     .webhooks = 1,
     .results = RESPONSE SUCCESS,
     .results_cut = {SUCCESS}},
    {.name = "large",
     .run_id = "r_",
     .endpoint = "large",
     .synchronized = true,
     .webhooks = 1,
     .results = LARGE("large") SUCCESS,
     .results_cut = {SUCCESS, LARGE("cut") SUCCESS}},
    {.name = "dead-letter", .run_id = "r_", .endpoint = "fail", .keyed = true, .buried = true, .webhooks = 1},
    {.name = "tls",
     .run_id = "r_",
     .endpoint = "ok",
     .synchronized = true,
     .tls = true,
     .webhooks = 1,
     .results = RESPONSE SUCCESS,
     .results_cut = {SUCCESS}},
    {.name = "proxied",
     .run_id = "r_",
     .endpoint = "zipped",
     .synchronized = true,
     .proxied = true,
     .webhooks = 1,
     .results = RESPONSE SUCCESS,
     .results_cut = {SUCCESS}},
    {.name = "mapped",
     .run_id = "r_",
     .endpoint = "mapped",
     .synchronized = true,
     .mapping = mappings_file,
     .webhooks = 1,
     .results = RESPONSE MADE("made true"),
     .results_cut = {MADE("made null")}},
    {.name = "mapped-endless", .run_id = "r_", .endpoint = "ok", .mapping = mappings_endless},
    {.name = "polled",
     .run_id = "r_",
     .endpoint = "ok",
     .synchronized = true,
     .polled = true,
     .webhooks = 1,
     .results = RESPONSE SUCCESS,
     .results_cut = {SUCCESS}},
    {.name = "polled-node",
     .run_id = "wfnr_",
     .endpoint = "ok",
     .synchronized = true,
     .polled = true,
     .webhooks = 1,
     .results = NODE_SUCCESS("{\"ok\":true}"),
     .results_cut = {NODE_SUCCESS("{}"), NODE " {\"status\":\"COMPLETED\",\"result\":\"SUCCESS\"}\n"}},
    {.name = "node",
     .run_id = "wfnr_",
     .endpoint = "ok",
     .synchronized = true,
     .webhooks = 1,
     .results = NODE_SUCCESS("{\"ok\":true}"),
     .results_cut = {NODE_SUCCESS("{}"), NODE " {\"status\":\"COMPLETED\",\"result\":\"SUCCESS\"}\n"}},
    {.name = "change-log", .endpoint = "ok", .webhooks = 1},
    {.name = "forged", .run_id = "r_", .endpoint = "ok", .forged = true, .results = ""},
    {.name = "consumed", .run_id = "r_", .endpoint = "ok", .consumed = true, .webhooks = 1, .results = ""},
    {.name = "forged-node", .run_id = "wfnr_", .endpoint = "ok", .forged = true},
};
const size_t kinds_count = sizeof kinds / sizeof *kinds;

const struct kind *kind_find(const char *name)
{
    for (size_t i = 0; i < kinds_count; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

void kind_expect(const char *results, const char *run_id, char out[512])
{
    size_t len = 0;
    for (const char *at = results; *at && len < 400; at++) {
        if (at[0] == '%' && at[1] == 's')
            len += (size_t)snprintf(out + len, 512 - len, "%s", run_id), at++;
        else
            out[len++] = *at;
    }
    out[len] = '\0';
}

static const char *url_of(const struct kind *kind, const struct outside *outside)
{
    return kind->tls ? outside_tls_url(outside) : outside_url(outside);
}

/** "pass" as Port encrypts it: base64 of IV, ciphertext and tag (docs/contract.md#encrypted-properties). */
static void encrypt(char out[80])
{
    unsigned char bytes[16 + 4 + 16] = "sixteen of bytes";
    int len = 0;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    if (!cipher || EVP_EncryptInit_ex(cipher, EVP_aes_256_gcm(), NULL, NULL, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_IVLEN, 16, NULL) != 1 ||
        EVP_EncryptInit_ex(cipher, NULL, NULL, (const unsigned char *)OUTSIDE_SECRET.ptr, bytes) != 1 ||
        EVP_EncryptUpdate(cipher, bytes + 16, &len, (const unsigned char *)"pass", 4) != 1 ||
        EVP_EncryptFinal_ex(cipher, bytes + 16 + len, &len) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, bytes + 20) != 1)
        abort();
    EVP_CIPHER_CTX_free(cipher);
    EVP_EncodeBlock((unsigned char *)out, bytes, sizeof bytes);
}

static void write_run(const struct kind *kind, const struct outside *outside, struct sample *sample)
{
    char body[1024], secret[80], signature[SIGNATURE_SIZE];
    encrypt(secret);
    int len = snprintf(
        body, sizeof body,
        "{\"context\":{\"runId\":\"%s\"},\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"WEBHOOK\","
        "\"agent\":true,\"synchronized\":%s,\"url\":\"%s/%s/%s\"}},\"properties\":{\"secret\":\"%s\"}},"
        "\"headers\":{",
        sample->run_id, kind->synchronized ? "true" : "false", url_of(kind, outside), kind->endpoint,
        sample->name, secret);
    snprintf(body + len, sizeof body - (size_t)len, "}}");
    struct signer *signer = signer_new(OUTSIDE_SECRET);
    if (!signer || signer_sign_text(signer, SLICE_LITERAL("1768317616"), slice_of(body), signature) != 0)
        abort();
    signer_free(signer);
    if (kind->forged)
        signature[5] = signature[5] == 'A' ? 'B' : 'A';
    snprintf(sample->value, sizeof sample->value,
             "%.*s\"X-Port-Timestamp\":\"1768317616\",\"X-Port-Signature\":\"%s\"}}", len, body, signature);
}

static void write_polled(const struct kind *kind, const struct outside *outside, struct sample *sample)
{
    char method[512];
    snprintf(
        method, sizeof method,
        "\"type\":\"WEBHOOK\",\"agent\":true,\"synchronized\":true,\"method\":\"POST\",\"url\":\"%s/%s/%s\"",
        url_of(kind, outside), kind->endpoint, sample->name);
    bool node_run = run_id_is_node_run(slice_of(sample->run_id));
    snprintf(sample->value, sizeof sample->value,
             node_run ? "{\"identifier\":\"%s\",\"config\":{%s}}"
                      : "{\"id\":\"%s\",\"payload\":{%s,\"body\":{\"context\":{},\"payload\":{}}}}",
             sample->run_id, method);
}

void sample_write(const struct kind *kind, const struct outside *outside, size_t number,
                  struct sample *sample)
{
    *sample = (struct sample){0};
    snprintf(sample->name, sizeof sample->name, "n%05zu", number);
    if (kind->run_id)
        snprintf(sample->run_id, sizeof sample->run_id, "%s%s", kind->run_id, sample->name);
    if (kind->polled)
        write_polled(kind, outside, sample);
    else if (kind->run_id)
        write_run(kind, outside, sample);
    else
        snprintf(sample->value, sizeof sample->value,
                 "{\"action\":\"CREATE\",\"changelogDestination\":{\"type\":\"WEBHOOK\",\"agent\":true,"
                 "\"url\":\"%s/%s/%s\"}}",
                 url_of(kind, outside), kind->endpoint, sample->name);
}
