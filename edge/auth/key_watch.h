// Notices that a file has become another: a new version of it, or of the link that leads to it.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "common/loop.h"

struct key_watch {
	struct loop_timer timer;
	const char *path; // borrowed
	loop_fn *on_change;
	void *arg;
	struct stat known; // as of the last on_change(), or the start; zeroed: there is none
	struct stat seen; // as of the last look
};

// Watches `path` from what it is now on; `on_change` is called in the loop's thread when it has
// become another and has stayed so for a moment. An empty path is never looked at.
void key_watch_start(struct key_watch *watch, struct loop *loop, const char *path,
	loop_fn *on_change, void *arg);
void key_watch_stop(struct key_watch *watch);
// Looks once; the timer's. Public for tests, which bring their own time.
void key_watch_look(struct key_watch *watch);
