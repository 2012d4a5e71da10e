// What a daemon does before it serves, and how it ends.
//
// Ending is not ours alone: NNG 1.5 closes its sockets, and at exit() its threads, by waiting for
// what it has under way, and is known to wait for ever now and then. A supervisor would kill such a
// process later and take that for a failure of ours. So the way out has a time limit, after which a
// thread ends the process with the exit code it had earned. An alarm signal was rejected: its
// handler may not log.

#include "common/process.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

enum {
	// A block this large goes back to the system when it is freed. Left to itself the allocator
	// raises its bound with the first such block, and keeps what queues once grew to.
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
		*why = "the privileges of root could be regained";
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
