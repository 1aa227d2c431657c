/* The mappings that apply where there is no file. Users' own files often begin as a copy of it. */
#include "map/mapping.h"
#include <stdlib.h>

const char mappings_builtin[] =
    "[{"
    "\"enabled\": \".payload.action.invocationMethod.type == \\\"GITLAB\\\"\","
    "\"url\": \".payload.action.invocationMethod as $m"
    " | (env.GITLAB_URL // \\\"\\\" | if . == \\\"\\\" then \\\"https://gitlab.com/\\\""
    " elif endswith(\\\"/\\\") then . else . + \\\"/\\\" end)"
    " + \\\"api/v4/projects/\\\" + ($m.groupName + \\\"/\\\" + $m.projectName | @uri)"
    " + \\\"/trigger/pipeline\\\"\","
    "\"body\": {"
    "\"ref\": \".payload.properties.ref // .payload.action.invocationMethod.defaultRef // \\\"main\\\"\","
    "\"token\": \".payload.action.invocationMethod as $m"
    " | env[($m.groupName | split(\\\"/\\\") | join(\\\"_\\\")) + \\\"_\\\" + $m.projectName]\","
    "\"variables\": \"if .payload.action.invocationMethod.omitUserInputs then {}"
    " else (.payload.properties // {} | map_values(tostring)) end\","
    "\"port_payload\": \"if .payload.action.invocationMethod.omitPayload then {} else . end\"},"
    "\"report\": {"
    "\"link\": \".response.json | if type == \\\"object\\\" then .web_url else null end\","
    "\"externalRunId\": \".response.json | if type != \\\"object\\\" or .id == null then null"
    " else .id | tostring end\"}"
    "}, {\"enabled\": true}]";

static const char *const others_variables[] = {"FTP_PROXY",
                                               "AWS_ACCESS_KEY_ID",
                                               "AWS_SECRET_ACCESS_KEY",
                                               "AWS_SESSION_TOKEN",
                                               "AWS_SECURITY_TOKEN",
                                               "AWS_CONTAINER_AUTHORIZATION_TOKEN",
                                               "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                               "AWS_WEB_IDENTITY_TOKEN_FILE",
                                               "AZURE_CLIENT_ID",
                                               "AZURE_CLIENT_SECRET",
                                               "AZURE_CLIENT_CERTIFICATE_PASSWORD",
                                               "AZURE_FEDERATED_TOKEN_FILE",
                                               "AZURE_PASSWORD",
                                               "AZURE_TENANT_ID",
                                               "ARM_CLIENT_SECRET",
                                               "ARM_ACCESS_KEY",
                                               "GOOGLE_APPLICATION_CREDENTIALS",
                                               "GOOGLE_CREDENTIALS",
                                               "GOOGLE_OAUTH_ACCESS_TOKEN",
                                               "GCP_SERVICE_ACCOUNT_KEY",
                                               "ALICLOUD_ACCESS_KEY",
                                               "ALICLOUD_SECRET_KEY",
                                               "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                                               "DIGITALOCEAN_ACCESS_TOKEN",
                                               "DIGITALOCEAN_TOKEN",
                                               "IBMCLOUD_API_KEY",
                                               "OCI_CLI_KEY_CONTENT",
                                               "CLOUDFLARE_API_TOKEN",
                                               "HEROKU_API_KEY",
                                               "VAULT_TOKEN",
                                               "OTEL_EXPORTER_OTLP_HEADERS",
                                               "OTEL_EXPORTER_OTLP_HEADERS_FILE",
                                               "ADMIN_TOKEN",
                                               "ADMIN_TOKEN_FILE",
                                               "PORT_CLIENT_SECRET_PREVIOUS",
                                               "PORT_CLIENT_SECRET_PREVIOUS_FILE",
                                               "ftp_proxy"};

void mappings_builtin_hide_variables(void (*hide_settings)(void))
{
    if (hide_settings)
        hide_settings();
    for (size_t i = 0; i < sizeof others_variables / sizeof *others_variables; i++)
        unsetenv(others_variables[i]);
}
