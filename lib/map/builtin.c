/* What applies where there is no file. Users' own files often begin as a copy of it. */
#include "map/mapping.h"

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
