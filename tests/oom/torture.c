// Preloaded into a program, this runs its main() many times over, each time in a process of its own
// in which another allocation fails, and judges how each ended. So a unit test becomes a test of
// what happens when memory runs out in the middle of it, and costs a fork each time instead of a
// start.
//
// The first run has no failure, must succeed, and counts. Then the n-th allocation fails, for all
// small n and a sample of the others that is the same each time, in turn alone and with all that
// follow it. A run may end
// - as without a failure, or with a failed assertion of the test: what was asked could not be done,
//   and that was said,
// - or by the words "out of memory" and exit code 1, which is how our programs end when they have
//   no memory for what they cannot do without. Anything else fails: a signal, another exit code
//   behind these words, a CHECK of ours that took it for a mistake in the program, no end at all.
//
// An assertion of the test ends the process, because what a test leaves behind when it stops half
// way is its own: cmocka would go on with the next one among its threads and sockets. For the same
// reason a CHECK in the test's own helpers counts as an assertion.
//
// In the environment, OOM_PROGRAM is the name of the program, since what it starts, or what starts
// it, may inherit the preloading; OOM_RUNS is how many allocations fail. OOM_AT=N (with
// OOM_FOR_GOOD=1) runs it once, as it is, under that one failure, for a debugger.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/oom/oom.h"

enum {
	RUNS_DEFAULT = 60,
	ENDS_WITHIN_S = 120, // a run; only what hangs takes so long
	FAILED_ASSERTION = 99, // exit code
	SAID_MAX = 4096,
};

typedef int main_fn(int argc, char **argv, char **envp);
typedef int start_fn(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
	void (*rtld_fini)(void), void *stack_end);

static main_fn *real_main;

// What a child tells its parent.
static struct report {
	uint64_t n_asked;
} * report;

// ---- in the child

// True if the code at `address` belongs to cmocka.
static bool is_cmocka(const void *address)
{
	Dl_info info;
	return dladdr(address, &info) != 0 && info.dli_fname != NULL &&
		strstr(info.dli_fname, "libcmocka") != NULL;
}

// cmocka ends a failed assertion so if CMOCKA_TEST_ABORT is set; everybody else means it.
void abort(void)
{
	if (is_cmocka(__builtin_return_address(0))) {
		_exit(FAILED_ASSERTION);
	}
	(void)sigaction(SIGABRT, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	(void)raise(SIGABRT);
	_exit(127);
}

// cmocka would make a failed assertion of a crash.
__sighandler_t signal(int signum, __sighandler_t handler)
{
	struct sigaction before;
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };
	bool is_crash = signum == SIGSEGV || signum == SIGBUS || signum == SIGILL ||
		signum == SIGFPE || signum == SIGABRT || signum == SIGSYS;
	if (is_crash) {
		return SIG_DFL;
	}
	return sigaction(signum, &action, &before) == 0 ? before.sa_handler : SIG_ERR;
}

static void tell_count(void)
{
	report->n_asked = oom_disarm();
}

// Does not return.
static void run_child(int said_fd, uint64_t nth, bool for_good, int argc, char **argv, char **envp)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(said_fd, STDERR_FILENO) < 0) {
		_exit(126);
	}
	(void)alarm(ENDS_WITHIN_S);
	if (atexit(tell_count) != 0) {
		_exit(126);
	}
	oom_arm(nth, for_good);
	exit(real_main(argc, argv, envp));
}

// ---- in the parent

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);
	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

// NULL if that is how a run may end, else what is wrong.
static const char *judge(int status, const char *said)
{
	bool out_of_memory = ends_with(said, "error: memory: out of memory\n");
	const char *failed_check = strstr(said, "check failed: ");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
		return "did not end";
	}
	if (failed_check != NULL) {
		return strstr(said, "error: internal: ../tests/") != NULL ? NULL : "a failed CHECK";
	}
	if (WIFSIGNALED(status)) {
		return strsignal(WTERMSIG(status));
	}
	if (out_of_memory && WEXITSTATUS(status) != 1) {
		return "another exit code than 1 behind \"out of memory\"";
	}
	if (WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127) {
		return "could not be run";
	}
	return NULL;
}

// What the child wrote to standard error, its end if that is much.
static void read_said(int fd, char said[SAID_MAX])
{
	off_t size = lseek(fd, 0, SEEK_END);
	off_t from = size > SAID_MAX - 1 ? size - (SAID_MAX - 1) : 0;
	ssize_t got = pread(fd, said, SAID_MAX - 1, from);
	said[got > 0 ? got : 0] = '\0';
}

// Runs main() once. True if it ended as it may.
static bool run(uint64_t nth, bool for_good, int argc, char **argv, char **envp)
{
	char said[SAID_MAX];
	int status = 0;
	int said_fd = memfd_create("stderr", MFD_CLOEXEC);
	pid_t pid = said_fd >= 0 ? fork() : -1;
	if (pid == 0) {
		run_child(said_fd, nth, for_good, argc, argv, envp);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		printf("# cannot run: %s\n", strerror(errno));
		return false;
	}
	read_said(said_fd, said);
	(void)close(said_fd);
	const char *wrong = judge(status, said);
	if (wrong == NULL && nth == 0 && status != 0) {
		wrong = "failed although no allocation did";
	}
	if (wrong != NULL) {
		printf("# OOM_AT=%" PRIu64 "%s: %s\n%s\n", nth, for_good ? " OOM_FOR_GOOD=1" : "",
			wrong, said);
	}
	return wrong == NULL;
}

// ---- what the runs leave behind

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

// A run that ends in the middle of a test leaves its files; they go with the folder that all have.
static bool enter_folder(char path[PATH_MAX])
{
	const char *outer = getenv("TMPDIR");
	int len = snprintf(path, PATH_MAX, "%s/oom-XXXXXX", outer != NULL ? outer : "/tmp");
	return len < PATH_MAX && mkdtemp(path) != NULL && setenv("TMPDIR", path, 1) == 0;
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

// The i-th of `n_runs` allocations out of `n_asked`: the first half of the runs take the first ones
// each, the others jump, by a step that is the same each time and has no rhythm.
static uint64_t choose(uint64_t i, uint64_t n_runs, uint64_t n_asked)
{
	uint64_t n_small = n_asked <= n_runs ? n_asked : n_runs / 2;
	if (i < n_small || n_small == n_asked) {
		return i + 1;
	}
	uint64_t mixed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return n_small + 1 + (mixed >> 16) % (n_asked - n_small);
}

static int torture_in_folder(int argc, char **argv, char **envp)
{
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		0);
	if (report == MAP_FAILED || !run(0, false, argc, argv, envp)) {
		return 1;
	}
	uint64_t n_asked = report->n_asked;
	uint64_t n_runs = number_from("OOM_RUNS", RUNS_DEFAULT);
	unsigned n_bad = 0;
	n_runs = n_asked < n_runs ? n_asked : n_runs;
	for (uint64_t i = 0; i < n_runs; i++) {
		uint64_t nth = choose(i, n_runs, n_asked);
		n_bad += !run(nth, i % 2 == 1, argc, argv, envp);
	}
	printf("%s: %" PRIu64 " of %" PRIu64 " allocations failed, %u bad ends\n", argv[0], n_runs,
		n_asked, n_bad);
	return n_asked > 0 && n_bad == 0 ? 0 : 1;
}

static int torture(int argc, char **argv, char **envp)
{
	char folder[PATH_MAX];
	if (!enter_folder(folder)) {
		perror("mkdtemp");
		return 1;
	}
	int result = torture_in_folder(argc, argv, envp);
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? result : 1;
}

static int wrapped_main(int argc, char **argv, char **envp)
{
	const char *program = getenv("OOM_PROGRAM");
	if (program == NULL || strcmp(program, program_invocation_short_name) != 0) {
		return real_main(argc, argv, envp);
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	if (getenv("OOM_AT") != NULL) {
		oom_arm(number_from("OOM_AT", 0), getenv("OOM_FOR_GOOD") != NULL);
		return real_main(argc, argv, envp);
	}
	return torture(argc, argv, envp);
}

// Where the C library starts a program: takes its main() out and puts ours in.
int start_program(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
	void (*rtld_fini)(void), void *stack_end) __asm__("__libc_start_main");

int start_program(main_fn *main, int argc, char **argv, void (*init)(void), void (*fini)(void),
	void (*rtld_fini)(void), void *stack_end)
{
	start_fn *start = (start_fn *)dlsym(RTLD_NEXT, "__libc_start_main");
	real_main = main;
	return start(wrapped_main, argc, argv, init, fini, rtld_fini, stack_end);
}
