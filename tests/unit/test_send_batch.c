#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "edge/send/out_queue.h"
#include "edge/send/send_batch.h"
#include "tests/unit/test.h"

enum {
	N_MAX = SEND_BATCH_MAX,
};

struct line {
	int fds[2]; // ours, theirs
	struct out_queue queue;
	unsigned n_told;
	ssize_t sent;
	unsigned place; // in which it was told
};

static struct line lines[N_MAX];
static unsigned n_told;

static void open_line(struct line *line)
{
	*line = (struct line){ 0 };
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, line->fds), 0);
}

static void close_line(struct line *line)
{
	out_queue_fini(&line->queue);
	close(line->fds[0]);
	close(line->fds[1]);
}

static void say(struct line *line, const char *text)
{
	out_queue_push(&line->queue, frame_new(WS_TEXT, bytes_str(text)));
}

static void add(struct send_batch *batch, struct line *line)
{
	struct iovec iov[SEND_BATCH_FRAMES_MAX];
	int n = out_queue_iov(&line->queue, iov, SEND_BATCH_FRAMES_MAX);
	assert_false(send_batch_is_full(batch));
	send_batch_add(batch, line->fds[0], iov, n, line);
}

static void told(void *arg, ssize_t sent)
{
	struct line *line = arg;
	line->n_told++;
	line->sent = sent;
	line->place = n_told++;
}

static void expect_text(struct line *line, const char *text)
{
	uint8_t head[2];
	char payload[16];
	assert_int_equal(read(line->fds[1], head, 2), 2);
	assert_int_equal(head[1], strlen(text));
	assert_int_equal(read(line->fds[1], payload, head[1]), head[1]);
	assert_memory_equal(payload, text, head[1]);
}

static void expect_nothing(struct line *line)
{
	char byte;
	assert_int_equal(read(line->fds[1], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
}

static struct send_batch *batch_or_skip(void)
{
	struct send_batch *batch = send_batch_new();
	if (batch == NULL) {
		print_message("io_uring is not to be had here\n");
		skip();
	}
	n_told = 0;
	return batch;
}

static void each_socket_gets_its_own_frames_in_order(void **state)
{
	(void)state;
	struct send_batch *batch = batch_or_skip();
	static const unsigned sizes[] = { 1, 2, 3, N_MAX };
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n_told = 0;
		for (unsigned j = 0; j < sizes[i]; j++) {
			open_line(&lines[j]);
			say(&lines[j], j % 2 == 0 ? "even" : "odd");
			if (j % 3 == 0) {
				say(&lines[j], "more");
			}
			add(batch, &lines[j]);
		}
		send_batch_run(batch, told);
		for (unsigned j = 0; j < sizes[i]; j++) {
			assert_int_equal(lines[j].n_told, 1);
			assert_int_equal(lines[j].place, j);
			assert_int_equal(lines[j].sent, lines[j].queue.bytes);
			expect_text(&lines[j], j % 2 == 0 ? "even" : "odd");
			if (j % 3 == 0) {
				expect_text(&lines[j], "more");
			}
			expect_nothing(&lines[j]);
			close_line(&lines[j]);
		}
	}
	send_batch_free(batch);
}

static void one_that_fails_or_is_full_does_not_touch_the_others(void **state)
{
	(void)state;
	struct send_batch *batch = batch_or_skip();
	char filling[4096] = { 0 };
	for (unsigned i = 0; i < 4; i++) {
		open_line(&lines[i]);
		say(&lines[i], "hello");
	}
	while (write(lines[1].fds[0], filling, sizeof(filling)) > 0) {
	}
	shutdown(lines[2].fds[0], SHUT_WR);
	for (unsigned i = 0; i < 4; i++) {
		add(batch, &lines[i]);
	}
	send_batch_run(batch, told);
	assert_int_equal(lines[0].sent, 7);
	assert_int_equal(lines[1].sent, -EAGAIN);
	assert_int_equal(lines[2].sent, -EPIPE);
	assert_int_equal(lines[3].sent, 7);
	expect_text(&lines[0], "hello");
	expect_text(&lines[3], "hello");
	for (unsigned i = 0; i < 4; i++) {
		close_line(&lines[i]);
	}
	send_batch_free(batch);
}

static void a_socket_may_take_a_part(void **state)
{
	(void)state;
	struct send_batch *batch = batch_or_skip();
	enum {
		LARGE = 4 << 20
	};
	uint8_t *large = calloc(1, LARGE);
	for (unsigned i = 0; i < 2; i++) {
		open_line(&lines[i]);
		out_queue_push(&lines[i].queue, frame_new(WS_TEXT, bytes_make(large, LARGE)));
		add(batch, &lines[i]);
	}
	send_batch_run(batch, told);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(lines[i].sent > 0 && lines[i].sent < LARGE);
		close_line(&lines[i]);
	}
	free(large);
	send_batch_free(batch);
}

static void a_batch_takes_so_many_and_is_empty_after_its_run(void **state)
{
	(void)state;
	struct send_batch *batch = batch_or_skip();
	open_line(&lines[0]);
	say(&lines[0], "x");
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < SEND_BATCH_MAX; i++) {
			add(batch, &lines[0]);
		}
		assert_true(send_batch_is_full(batch));
		send_batch_run(batch, told);
		for (unsigned i = 0; i < SEND_BATCH_MAX; i++) {
			expect_text(&lines[0], "x");
		}
		expect_nothing(&lines[0]);
	}
	send_batch_run(batch, told); // nothing to do
	assert_int_equal(lines[0].n_told, 2 * SEND_BATCH_MAX);
	close_line(&lines[0]);
	send_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_socket_gets_its_own_frames_in_order),
		cmocka_unit_test(one_that_fails_or_is_full_does_not_touch_the_others),
		cmocka_unit_test(a_socket_may_take_a_part),
		cmocka_unit_test(a_batch_takes_so_many_and_is_empty_after_its_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
