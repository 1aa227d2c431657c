/* The answer of GET /v1/kafka-credentials. */
#include "base/json_tree.h"
#include "port/api.h"
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

static char *brokers_of(const cJSON *brokers)
{
    struct buffer list = {0};
    const cJSON *broker;
    if (cJSON_IsString(brokers))
        return strdup(brokers->valuestring);
    cJSON_ArrayForEach(broker, brokers)
    {
        if (!cJSON_IsString(broker))
            continue;
        if (list.len > 0)
            buffer_append_char(&list, ',');
        buffer_append_text(&list, broker->valuestring);
    }
    return buffer_take(&list, NULL);
}

static char *member_copy(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(member) ? strdup(member->valuestring) : NULL;
}

int kafka_credentials_parse(struct slice body, struct kafka_credentials *credentials, struct error *err)
{
    *credentials = (struct kafka_credentials){0};
    cJSON *answer = json_tree(body, NULL);
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(answer, "credentials");
    credentials->brokers = brokers_of(cJSON_GetObjectItemCaseSensitive(inner, "brokers"));
    credentials->username = member_copy(inner, "username");
    credentials->password = member_copy(inner, "password");
    cJSON_Delete(answer);
    const char *missing = !credentials->brokers || !*credentials->brokers ? "brokers"
                          : !credentials->username                        ? "username"
                          : !credentials->password                        ? "password"
                                                                          : NULL;
    if (!missing)
        return 0;
    kafka_credentials_clear(credentials);
    return error_set(err, PA_ERR_INVALID, "Port's answer to /v1/kafka-credentials has no credentials.%s",
                     missing);
}

void kafka_credentials_clear(struct kafka_credentials *credentials)
{
    if (credentials->password)
        explicit_bzero(credentials->password, strlen(credentials->password));
    free(credentials->brokers);
    free(credentials->username);
    free(credentials->password);
    *credentials = (struct kafka_credentials){0};
}
