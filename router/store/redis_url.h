// Where a Redis is: `redis://[USER@]HOST[:PORT][/DB]`, or `redis+unix://[USER@]/PATH[?db=N]` for
// its unix socket. A password is not taken here, as the command line of a process is public.
#pragma once

#include <stdbool.h>

#include "common/check.h"

enum {
	REDIS_PORT = 6379
};

struct redis_url {
	char *user; // owned; NULL: the default user
	char *host; // owned; NULL: `path` says where
	char *path; // owned; of a unix socket
	int port;
	unsigned db;
};

// True if the text claims to be one, good or bad.
bool redis_url_is(const char *text);
// NULL and the parts, to be freed, or what is wrong with the text (static).
MUST_CHECK const char *redis_url_parse(const char *text, struct redis_url *url);
void redis_url_fini(struct redis_url *url);
