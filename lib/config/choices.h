/* The words that settings are chosen from, and what each means. The table (table.c) alone includes it. */
#pragma once
#include "config/table.h"

/** A word that is kept as it stands here. */
#define KEPT(word_)                      \
    {                                    \
        .word = (word_), .text = (word_) \
    }

static const struct setting_choice STREAMERS[] = {{.word = "KAFKA", .value = STREAMER_KAFKA},
                                                  {.word = "KafkaToWebhookStreamer", .value = STREAMER_KAFKA},
                                                  {.word = "POLLING", .value = STREAMER_POLLING},
                                                  {0}};
static const struct setting_choice PROTOCOLS[] = {
    KEPT("plaintext"), KEPT("ssl"), KEPT("sasl_plaintext"), KEPT("sasl_ssl"), {0}};
static const struct setting_choice MECHANISMS[] = {
    {.word = "none", .text = ""}, KEPT("PLAIN"), KEPT("SCRAM-SHA-256"), KEPT("SCRAM-SHA-512"), {0}};
static const struct setting_choice RESETS[] = {KEPT("earliest"),
                                               KEPT("latest"),
                                               {.word = "smallest", .text = "earliest"},
                                               {.word = "largest", .text = "latest"},
                                               {.word = "beginning", .text = "earliest"},
                                               {.word = "end", .text = "latest"},
                                               {0}};
static const struct setting_choice STRATEGIES[] = {
    KEPT("range,roundrobin"), KEPT("range"), KEPT("roundrobin"), KEPT("cooperative-sticky"), {0}};
static const struct setting_choice PROTOCOL_KINDS[] = {KEPT("classic"), KEPT("consumer"), {0}};
static const struct setting_choice MISSES[] = {
    {.word = "report", .value = MAPPING_MISS_REPORT}, {.word = "skip", .value = MAPPING_MISS_SKIP}, {0}};
static const struct setting_choice HTTP_VERSIONS[] = {
    {.word = "1.1", .value = WEBHOOK_HTTP_1_1}, {.word = "2", .value = WEBHOOK_HTTP_2}, {0}};
static const struct setting_choice REDIRECTS[] = {{.word = "none", .value = HTTP_REDIRECTS_NONE},
                                                  {.word = "same-host", .value = HTTP_REDIRECTS_SAME_HOST},
                                                  {.word = "all", .value = HTTP_REDIRECTS_ALL},
                                                  {0}};
static const struct setting_choice LEVELS[] = {
    {.word = "DEBUG", .value = LOG_DEBUG},
    {.word = "INFO", .value = LOG_INFO},
    {.word = "WARNING", .value = LOG_WARNING},
    {.word = "ERROR", .value = LOG_ERROR},
    {.word = "CRITICAL", .value = LOG_CRITICAL},
    {.word = "NOTSET", .value = LOG_DEBUG}, /* Python's: every line */
    {.word = "WARN", .value = LOG_WARNING, .unlisted = true},
    {.word = "FATAL", .value = LOG_CRITICAL, .unlisted = true},
    {0}};
static const struct setting_choice FORMATS[] = {
    {.word = "json", .value = LOG_FORMAT_JSON}, {.word = "text", .value = LOG_FORMAT_TEXT}, {0}};
