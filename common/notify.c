// One datagram a call. The protocol is a dozen lines of text, so libsystemd, which would bring it
// and a tenth of the system along, is not linked.
//
// The address is kept and the socket is not connected: a supervisor that was restarted listens on a
// new socket under the old name. Changes of state wait a moment for room in its queue, since READY
// that is lost ends the service at its start timeout. A sign of life never waits: the next one
// follows, and a main loop that hangs in it would be the very fault the watchdog is to find.

#include "common/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum {
	PATIENCE_S = 1,
	TEXT_MAX = 64,
	US_PER_MS = 1000,
	NS_PER_US = 1000,
};

int notify_address(const char *text, struct sockaddr_un *addr, socklen_t *len)
{
	size_t n = strlen(text);
	bool abstract = text[0] == '@';
	// A path ends with a NUL, an abstract name begins with one in the place of its '@'.
	size_t room = sizeof(addr->sun_path) - (abstract ? 0 : 1);
	if ((!abstract && text[0] != '/') || n < 2 || n > room) {
		return -EINVAL;
	}
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(addr->sun_path, text, n);
	if (abstract) {
		addr->sun_path[0] = '\0';
	}
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (abstract ? 0 : 1));
	return 0;
}

static bool parse_number(const char *text, uint64_t *number)
{
	char *end;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static void complain(const char *name, const char *value)
{
	log_warn("notify_unusable", LOG_STR("variable", name), LOG_STR("value", value));
}

static bool open_socket(struct notify *n, const char *text)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	if (notify_address(text, &n->addr, &n->addr_len) != 0) {
		return false;
	}
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0) {
		n->addr_len = 0;
		return false;
	}
	setsockopt(n->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return true;
}

// The watchdog may be meant for another process, as when a script started us.
static void read_watchdog(struct notify *n)
{
	const char *text = getenv("WATCHDOG_USEC");
	const char *pid_text = getenv("WATCHDOG_PID");
	uint64_t us;
	uint64_t pid = (uint64_t)getpid();
	if (text == NULL) {
		return;
	}
	if (pid_text != NULL && !parse_number(pid_text, &pid)) {
		complain("WATCHDOG_PID", pid_text);
	} else if (!parse_number(text, &us)) {
		complain("WATCHDOG_USEC", text);
	} else if (pid == (uint64_t)getpid()) {
		n->watchdog_ms = us / US_PER_MS;
	}
}

void notify_open(struct notify *n)
{
	const char *text = getenv("NOTIFY_SOCKET");
	*n = (struct notify){ 0 };
	if (text == NULL || text[0] == '\0') {
		return;
	}
	if (!open_socket(n, text)) {
		complain("NOTIFY_SOCKET", text);
		return;
	}
	read_watchdog(n);
}

void notify_close(struct notify *n)
{
	if (n->addr_len > 0) {
		close(n->fd);
	}
	*n = (struct notify){ 0 };
}

static void send_text(const struct notify *n, const char *text, int flags)
{
	if (n->addr_len == 0) {
		return;
	}
	if (sendto(n->fd, text, strlen(text), flags | MSG_NOSIGNAL,
		    (const struct sockaddr *)&n->addr, n->addr_len) < 0) {
		log_debug("notify_failed", LOG_STR("error", strerrordesc_np(errno)));
	}
}

void notify_ready(const struct notify *n)
{
	send_text(n, "READY=1", 0);
}

void notify_reloading(const struct notify *n)
{
	char text[TEXT_MAX];
	// The time tells the supervisor that this answers its latest signal and not an earlier one.
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		clock_mono_ns() / NS_PER_US);
	send_text(n, text, 0);
}

void notify_stopping(const struct notify *n)
{
	send_text(n, "STOPPING=1", 0);
}

void notify_alive(const struct notify *n)
{
	send_text(n, "WATCHDOG=1", MSG_DONTWAIT);
}
