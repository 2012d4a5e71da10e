#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "common/process.h"
#include "tests/unit/test.h"

enum {
	SOON_MS = 20,
	NEVER_MS = 600000,
	CODE = 7,
	OTHER_CODE = 3,
};

struct ended {
	int status;
	char said[512];
};

static void hang(void)
{
	for (;;) {
		pause();
	}
}

static void leave(void)
{
	_exit(OTHER_CODE);
}

// A process that has `ms` left to do `last`, with a logger of its own.
static struct ended run(unsigned ms, void (*last)(void))
{
	struct ended ended = { 0 };
	int said[2];
	size_t len = 0;
	ssize_t n;
	assert_int_equal(pipe(said), 0);
	pid_t child = fork();
	if (child == 0) {
		log_start(said[1], LOG_TEXT, LOG_INFO);
		log_info("last_words");
		process_end_within(ms, CODE);
		last();
	}
	close(said[1]);
	while ((n = read(said[0], ended.said + len, sizeof(ended.said) - 1 - len)) > 0) {
		len += (size_t)n;
	}
	close(said[0]);
	assert_int_equal(waitpid(child, &ended.status, 0), child);
	return ended;
}

static void ends_a_process_that_hangs_with_its_code_and_says_all(void **state)
{
	(void)state;
	struct ended ended = run(SOON_MS, hang);
	assert_true(WIFEXITED(ended.status));
	assert_int_equal(WEXITSTATUS(ended.status), CODE);
	const char *first = strstr(ended.said, "last_words");
	const char *second = strstr(ended.said, "stuck_at_exit after_ms=20 code=7");
	assert_non_null(first);
	assert_non_null(second);
	assert_true(first < second);
}

static void leaves_a_process_alone_that_ends_by_itself(void **state)
{
	(void)state;
	struct ended ended = run(NEVER_MS, leave);
	assert_true(WIFEXITED(ended.status));
	assert_int_equal(WEXITSTATUS(ended.status), OTHER_CODE);
	assert_null(strstr(ended.said, "stuck_at_exit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_a_process_that_hangs_with_its_code_and_says_all),
		cmocka_unit_test(leaves_a_process_alone_that_ends_by_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
