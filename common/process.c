// What a daemon does before it serves, and how it ends.
//
// Ending is not ours alone: NNG 1.5 closes its sockets, and at exit() its threads, by waiting for what it
// has under way, and is known to wait for ever now and then. A supervisor would kill such a process
// later and take that for a failure of ours. So the way out has a time limit, after which a thread ends
// the process with the exit code it had earned. An alarm signal was rejected: its handler may not log.
//
// The probe is a few blocking calls on purpose: it runs in a process of its own, inside a container
// that has no curl.

#include "common/process.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/net.h"

enum {
	PROBE_TIMEOUT_S = 2,
	// A block this large goes back to the system when it is freed. Left to itself the allocator raises
	// its bound with the first such block, and keeps what queues once grew to.
	LARGE_BLOCK = 256 << 10,
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

uint64_t process_prepare(void)
{
	struct rlimit limit;
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	if (!SANITIZED) {
		const struct rlimit none = { 0 };
		setrlimit(RLIMIT_CORE, &none);
		prctl(PR_SET_DUMPABLE, 0);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
		return 0;
	}
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur;
}

int process_become(const char *user, const char **why)
{
	errno = 0;
	const struct passwd *entry = getpwnam(user);
	if (entry == NULL) {
		*why = errno != 0 ? strerrordesc_np(errno) : "no such user";
		return -1;
	}
	uid_t uid = entry->pw_uid;
	gid_t gid = entry->pw_gid;
	if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
		setresuid(uid, uid, uid) != 0) {
		*why = strerrordesc_np(errno);
		return -1;
	}
	if (uid != 0 && (setuid(0) == 0 || seteuid(0) == 0)) {
		*why = "the way back to root is still open";
		return -1;
	}
	if (!SANITIZED) {
		prctl(PR_SET_DUMPABLE, 0); // a change of user may reset it
	}
	return 0;
}

struct last_resort {
	unsigned ms;
	int code;
};

static void *end_late(void *arg)
{
	const struct last_resort *last = arg;
	poll(NULL, 0, (int)last->ms);
	log_warn("stuck_at_exit", LOG_UINT("after_ms", last->ms), LOG_INT("code", last->code));
	log_stop();
	_exit(last->code);
}

void process_end_within(unsigned ms, int code)
{
	pthread_t thread;
	struct last_resort *last = xcalloc(1, sizeof(*last));
	*last = (struct last_resort){ .ms = ms, .code = code };
	if (pthread_create(&thread, NULL, end_late, last) != 0) {
		free(last); // then it has to end by itself
		return;
	}
	pthread_detach(thread);
}

// "http://HOST:PORT/PATH" to its address and path; -1 if it is not that.
static int parse_url(const char *url, struct net_addr *addr, const char **path)
{
	static const char scheme[] = "http://";
	char host[NET_ADDR_TEXT_MAX];
	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) {
		return -1;
	}
	const char *start = url + sizeof(scheme) - 1;
	*path = strchr(start, '/');
	size_t len = *path != NULL ? (size_t)(*path - start) : strlen(start);
	if (*path == NULL) {
		*path = "/";
	}
	if (len >= sizeof(host)) {
		return -1;
	}
	memcpy(host, start, len);
	host[len] = '\0';
	return net_addr_parse(addr, host) == 0 ? 0 : -1;
}

// The status of the answer to one GET, or -1.
static int get_status(const struct net_addr *addr, const char *path)
{
	const struct timeval timeout = { .tv_sec = PROBE_TIMEOUT_S };
	char head[64] = { 0 };
	struct buf request = { 0 };
	int status = -1;
	int fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	buf_printf(&request, "GET %s HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n", path);
	if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) == 0 &&
		write(fd, request.data, request.len) == (ssize_t)request.len) {
		size_t len = 0;
		ssize_t got = 1;
		while (len < sizeof(head) - 1 && got > 0) {
			got = read(fd, head + len, sizeof(head) - 1 - len);
			len += got > 0 ? (size_t)got : 0;
		}
		if (strncmp(head, "HTTP/1.1 200 ", 13) == 0) {
			status = 200;
		} else if (len > 12) {
			status = 0;
		}
	}
	buf_fini(&request);
	close(fd);
	return status;
}

int process_probe(const char *url)
{
	struct net_addr addr;
	const char *path;
	if (parse_url(url, &addr, &path) != 0) {
		fprintf(stderr, "error: command line: probe: not http://ADDRESS:PORT/PATH\n");
		return 1;
	}
	int status = get_status(&addr, path);
	if (status != 200) {
		fprintf(stderr, "error: probe: %s\n",
			status < 0 ? "no answer" : "the answer is not 200");
	}
	return status == 200 ? 0 : 1;
}
