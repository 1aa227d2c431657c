/* A mapping: the file, an event, and the request that the agent made of them. */
#include "acts.h"
#include "agent/body.h"
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char MAPPING[] =
    "[\n"
    "  {\n"
    "    \"enabled\": \".action == \\\"resize_vm\\\"\",\n"
    "    \"method\": \"\\\"PUT\\\"\",\n"
    "    \"url\": \".payload.action.invocationMethod.url + \\\"/vms/\\\" + .context.entity\",\n"
    "    \"body\": {\"run\": \".context.runId\", \"cpu\": \".payload.properties.cpu\"},\n"
    "    \"report\": {\"summary\": \"\\\"the VM is \\\" + .response.json.state\"}\n"
    "  },\n"
    "  {\"enabled\": true}\n"
    "]\n";
static const char REQUEST[] = "PUT /cloud/vms/vm-42\r\n",
                  BODY[] = "{\"run\":\"" DEMO_MAPPED_RUN "\",\"cpu\":4}";

/** The agent's settings: it retries for longer than the demo takes, and its breaker opens soon. */
static int start_agent(struct acts *acts, struct error *err)
{
    static const char *const words[] = {"port-agent", "run", NULL};
    struct child_settings settings = {0};
    demo_settings(acts->world, DEMO_MAPPED_ORG, &settings);
    child_set(&settings, "CONTROL_THE_PAYLOAD_CONFIG_PATH", "%s", CHILD_FILE);
    child_set(&settings, "WEBHOOK_BREAKER_FAILURES", "5");
    child_set(&settings, "WEBHOOK_RETRY_MAX_ATTEMPTS", "20");
    acts->mapping_file = memfd_create("mapping", MFD_CLOEXEC);
    if (acts->mapping_file < 0 ||
        write(acts->mapping_file, MAPPING, sizeof MAPPING - 1) != (ssize_t)sizeof MAPPING - 1)
        return error_set(err, PA_ERR_IO, "no mapping file can be written to memory");
    return child_start(&acts->agent, words, &settings, acts->mapping_file, err);
}

int act_mapping_begin(struct acts *acts, struct error *err)
{
    const struct demo_event event = {.run_id = DEMO_MAPPED_RUN,
                                     .org = DEMO_MAPPED_ORG,
                                     .action = "resize_vm",
                                     .method = "POST",
                                     .path = "/cloud",
                                     .synchronized = true,
                                     .agent = true};
    int failed = start_agent(acts, err);
    return failed ? failed : demo_produce(acts->world, &event, err);
}

void act_mapping_go_on(struct acts *acts)
{
    acts->over[ACT_MAPPING] = demo_seen(acts->world, slice_of(DEMO_MAPPED_RUN))->status[0] != '\0';
}

static void print_mapping_object(const struct acts *acts, const struct demo_kept *kept)
{
    struct buffer members = {0};
    buffer_append_text(&members, "\"mapping\":");
    body_append_value(slice_of(MAPPING), &members);
    buffer_append_text(&members, ",\"event\":");
    body_append_value(buffer_slice(&kept->event), &members);
    demo_append_exchange(kept, &members);
    demo_object(acts->show, "mapping", &members);
}

void act_mapping_print(struct acts *acts)
{
    const struct demo_kept *kept = &acts->world->kept[DEMO_KEPT_MAPPED];
    print_mapping_object(acts, kept);
    demo_say(acts->show, "\nA mapping. The agent's mapping file (CONTROL_THE_PAYLOAD_CONFIG_PATH) is:\n\n");
    demo_block(acts->show, slice_of(MAPPING));
    demo_say(acts->show, "\nThis event came:\n\n");
    demo_body(acts->show, buffer_slice(&kept->event));
    demo_say(acts->show, "\nIts receiver got this request:\n\n");
    demo_block(acts->show, buffer_slice(&kept->head));
    demo_say(acts->show, "\n");
    demo_body(acts->show, buffer_slice(&kept->body));
    demo_say(acts->show, "\nAnd Port was told:\n\n");
    demo_body(acts->show, buffer_slice(&kept->report));
    if (!slice_starts_with(buffer_slice(&kept->head), REQUEST) ||
        !slice_equal_text(buffer_slice(&kept->body), BODY))
        demo_problem(acts->show, "the mapping: another request was expected");
}
