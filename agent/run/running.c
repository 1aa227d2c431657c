/* See running.h. */
#include "running.h"
#include "setup.h"
#include <unistd.h>

void running_open(struct running *running)
{
    uv_loop_init(&running->loop);
}

void running_take_setup(struct daemon_options *options, struct setup *setup)
{
    options->config = &setup->config;
    options->authorities = setup->authorities;
    options->map_process = setup->map_process;
    options->mapping_file = setup->mapping_file;
    setup->map_process = MAP_PROCESS_NONE;
}

bool running_start(struct running *running, struct daemon_options options, struct signal_watch signals,
                   struct error *err)
{
    options.loop = &running->loop;
    options.clock = clock_system();
    running->daemon = daemon_new(&options, err);
    if (!running->daemon)
        return false;
    running->signals = signals;
    signal_watch_start(&running->signals, &running->loop);
    return true;
}

void running_stop_asked(void *running, int number, bool again)
{
    if (again)
        _exit(128 + number);
    daemon_stop(((struct running *)running)->daemon);
}

void running_stopped(struct running *running, int exit_code)
{
    running->exit_code = exit_code;
    signal_watch_close(&running->signals);
}

int running_end(struct running *running)
{
    uv_run(&running->loop, UV_RUN_DEFAULT);
    daemon_free(running->daemon);
    uv_loop_close(&running->loop);
    return running->exit_code;
}
