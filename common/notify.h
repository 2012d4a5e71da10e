// What a service reports to its supervisor: that it serves, reloads, stops, and that it is alive.
// The protocol is systemd's (Type=notify): datagrams to the unix socket that the environment names.
// Where it names none, as in a container, nobody listens and nothing is sent.
#pragma once

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/check.h"

// Zeroed: nobody listens.
struct notify {
	int fd; // owned
	struct sockaddr_un addr;
	socklen_t addr_len; // 0: nobody listens
	uint64_t watchdog_ms; // notify_alive() is expected that often; 0: never
};

// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. What they say that cannot be used is logged
// and taken as not said: a service must not fail because its supervisor cannot be notified.
void notify_open(struct notify *n);
void notify_close(struct notify *n);

// It serves; after notify_reloading(), it serves on, whether the reload went well or not.
void notify_ready(const struct notify *n);
// Each must be followed by notify_ready().
void notify_reloading(const struct notify *n);
// It ends on purpose.
void notify_stopping(const struct notify *n);
// The watchdog's food.
void notify_alive(const struct notify *n);

// "/run/x" or, of the abstract kind, "@x". Returns 0, or -EINVAL for anything else.
MUST_CHECK int notify_address(const char *text, struct sockaddr_un *addr, socklen_t *len);
