// The logger. A caller formats its line on its own stack and copies it into a ring; one thread
// writes the ring out. The lock is held for a copy, never over a system call, so a full disk, a
// stopped terminal or a pipe that nobody reads costs lines and nothing else. Lost lines are
// counted, and a line says how many they were once there is room again.
//
// The writer asks poll() before it writes and gives a pipe no more than PIPE_BUF bytes, for which
// POLLOUT then promises room; so it does not hang in write() when it is to end. Making the
// descriptor non-blocking was rejected: it is usually the standard error that other processes
// share.
//
// A line has a bound, and a value one below it; a field that would not fit is left out with all
// that follow, so that what is written stays well-formed. Whatever the bytes of a value, one line
// is logged, and no terminal is commanded by it.
//
// The logger is the only file-scope state of the programs: everything may have to say something,
// and handing a logger to everything would say nothing.

#include "common/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/mem.h"
#include "common/utf8.h"

enum {
	RING_SIZE = 1024 * 1024,
	LINE_SIZE = 4096,
	VALUE_MAX = 256,
	WRITE_MAX = 65536, // to anything but a pipe
	STUCK_POLL_MS = 100,
	STOP_WAIT_MS = 1000,
	STOP_SLACK_MS = 500,
	LIMIT_WINDOW_MS = 1000,
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake; // the ring is no longer empty, or `stopping`
	pthread_cond_t left; // `ended`
	pthread_t thread;
	bool running;
	bool stopping;
	bool ended; // the writer is past its last use of anything here
	uint64_t stop_by_ms;
	size_t head; // of the oldest byte in `ring`
	size_t used;
	uint64_t unreported; // lines lost since the last one that got in

	// Set before there are threads.
	int fd;
	bool is_socket;
	size_t write_max;
	enum log_format format;

	char ring[RING_SIZE];
} logger = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.left = PTHREAD_COND_INITIALIZER,
	.fd = STDERR_FILENO,
	.write_max = WRITE_MAX,
};

static atomic_int least_level = LOG_INFO;
static _Atomic uint64_t n_dropped;

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

// Lines

struct line {
	char text[LINE_SIZE];
	size_t len;
	size_t limit; // of `len`; less than the size, for what must come at the end
	bool full; // something did not fit
};

static void line_add(struct line *line, const void *data, size_t len)
{
	if (line->full || len > line->limit - line->len) {
		line->full = true;
		return;
	}
	memcpy(line->text + line->len, data, len);
	line->len += len;
}

static void line_add_str(struct line *line, const char *text)
{
	line_add(line, text, strlen(text));
}

static void line_add_time(struct line *line)
{
	int64_t ms = clock_wall_ms();
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[40];
	CHECK(gmtime_r(&seconds, &tm) != NULL);
	size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	line_add(line, text, len);
	snprintf(text, sizeof(text), ".%03dZ", (int)(ms % 1000));
	line_add_str(line, text);
}

// The length of the character at the start of `text`, if it may be written as it is; else 0.
static size_t clean_character(struct bytes text)
{
	size_t len = utf8_first(text);
	return utf8_printable(bytes_make(text.data, len)) ? len : 0;
}

// At most VALUE_MAX bytes, not cut within a character.
static struct bytes shorten(struct bytes text)
{
	if (text.len <= VALUE_MAX) {
		return text;
	}
	size_t len = VALUE_MAX;
	while (len > VALUE_MAX - 4 && (text.data[len] & 0xc0) == 0x80) {
		len--;
	}
	return bytes_make(text.data, len);
}

// What is no text is written byte by byte as \xNN in both formats. JSON would have \u00NN for
// control characters, but for neither NUL, which many parsers refuse, nor bytes that are not UTF-8;
// so there the backslash is escaped and the text stays the same.
static void line_add_escaped(struct line *line, struct bytes value)
{
	const char *escape = logger.format == LOG_JSON ? "\\\\x" : "\\x";
	for (size_t i = 0; i < value.len;) {
		size_t len = clean_character(bytes_from(value, i));
		uint8_t byte = value.data[i];
		if (len == 0) {
			line_add_str(line, escape);
			line_add(line,
				(char[]){ ascii_hex_digit(byte >> 4), ascii_hex_digit(byte) }, 2);
			i++;
			continue;
		}
		if (byte == '"' || byte == '\\') {
			line_add_str(line, "\\");
		}
		line_add(line, value.data + i, len);
		i += len;
	}
}

static void line_add_text(struct line *line, struct bytes value)
{
	bool quoted = logger.format == LOG_JSON || value.len == 0 ||
		memchr(value.data, ' ', value.len) != NULL ||
		memchr(value.data, '"', value.len) != NULL;
	line_add_str(line, quoted ? "\"" : "");
	line_add_escaped(line, shorten(value));
	line_add_str(line, quoted ? "\"" : "");
}

static void line_add_value(struct line *line, const struct log_field *field)
{
	char digits[24];
	switch (field->kind) {
	case LOG_KIND_BYTES:
		line_add_text(line, field->text);
		break;
	case LOG_KIND_UINT:
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)field->number);
		line_add_str(line, digits);
		break;
	case LOG_KIND_INT:
		snprintf(digits, sizeof(digits), "%lld", (long long)field->number);
		line_add_str(line, digits);
		break;
	case LOG_KIND_END:
	case LOG_KIND_NONE:
		break;
	}
}

static void line_add_field(struct line *line, const struct log_field *field)
{
	size_t before = line->len;
	bool json = logger.format == LOG_JSON;
	line_add_str(line, json ? ",\"" : " ");
	line_add_str(line, field->key);
	line_add_str(line, json ? "\":" : "=");
	line_add_value(line, field);
	if (line->full) {
		line->len = before;
	}
}

static void line_make(struct line *line, enum log_level level, const char *event,
	const struct log_field *fields)
{
	bool json = logger.format == LOG_JSON;
	line->len = 0;
	line->full = false;
	line->limit = LINE_SIZE - strlen("}\n");
	line_add_str(line, json ? "{\"time\":\"" : "");
	line_add_time(line);
	line_add_str(line, json ? "\",\"level\":\"" : " ");
	line_add_str(line, level_names[level]);
	line_add_str(line, json ? "\",\"event\":\"" : " ");
	line_add_str(line, event);
	line_add_str(line, json ? "\"" : "");
	CHECK(!line->full);
	for (; fields->kind != LOG_KIND_END && !line->full; fields++) {
		if (fields->kind != LOG_KIND_NONE) {
			line_add_field(line, fields);
		}
	}
	line->limit = LINE_SIZE;
	line->full = false;
	line_add_str(line, json ? "}\n" : "\n");
}

// The ring; the caller holds the lock.

static bool ring_put(struct bytes text)
{
	if (text.len > RING_SIZE - logger.used) {
		return false;
	}
	size_t at = (logger.head + logger.used) % RING_SIZE;
	size_t first = text.len < RING_SIZE - at ? text.len : RING_SIZE - at;
	memcpy(logger.ring + at, text.data, first);
	memcpy(logger.ring, text.data + first, text.len - first);
	logger.used += text.len;
	return true;
}

// The oldest bytes, as far as they lie in one piece and may be written at once.
static struct bytes ring_front(void)
{
	size_t len = RING_SIZE - logger.head;
	len = len < logger.used ? len : logger.used;
	len = len < logger.write_max ? len : logger.write_max;
	return bytes_make(logger.ring + logger.head, len);
}

static void ring_drop(size_t len)
{
	logger.head = (logger.head + len) % RING_SIZE;
	logger.used -= len;
}

static uint64_t count_lines(struct bytes text)
{
	uint64_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		n += text.data[i] == '\n';
	}
	return n;
}

static void lose(uint64_t n_lines)
{
	atomic_fetch_add_explicit(&n_dropped, n_lines, memory_order_relaxed);
	logger.unreported += n_lines;
}

static void report_losses(void)
{
	struct line line;
	const struct log_field fields[] = {
		LOG_UINT("lines", logger.unreported),
		{ 0 },
	};
	line_make(&line, LOG_WARN, "log_dropped", fields);
	if (ring_put(bytes_make(line.text, line.len))) {
		logger.unreported = 0;
	}
}

// Writing

static bool wait_writable(int timeout_ms)
{
	struct pollfd p = { .fd = logger.fd, .events = POLLOUT };
	return poll(&p, 1, timeout_ms) > 0;
}

static ssize_t write_some(struct bytes text)
{
	return logger.is_socket ? send(logger.fd, text.data, text.len, MSG_DONTWAIT | MSG_NOSIGNAL)
				: write(logger.fd, text.data, text.len);
}

// Before the writer runs, and after. No caller is made to wait here either.
static void write_directly(struct bytes text)
{
	if (!wait_writable(0) || write_some(text) < 0) {
		lose(1);
	}
}

// Writes what is at the front. The lock is held at the beginning and the end, not in between; only
// this thread takes bytes out, so they stay where they are.
static void write_front(void)
{
	struct bytes front = ring_front();
	pthread_mutex_unlock(&logger.lock);
	bool writable = wait_writable(STUCK_POLL_MS);
	ssize_t n = writable ? write_some(front) : -1;
	bool gone = writable && n < 0 && errno != EAGAIN && errno != EINTR;
	pthread_mutex_lock(&logger.lock);
	if (gone) {
		// A full disk or a broken pipe: these lines are lost, the next may not be.
		lose(count_lines(front));
		ring_drop(front.len);
	} else if (n > 0) {
		ring_drop((size_t)n);
	}
}

static void lose_all(void)
{
	while (logger.used > 0) {
		struct bytes front = ring_front();
		lose(count_lines(front));
		ring_drop(front.len);
	}
}

static bool may_go_on(void)
{
	return !logger.stopping || (logger.used > 0 && clock_mono_ms() < logger.stop_by_ms);
}

static void *run_writer(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&logger.lock);
	while (may_go_on()) {
		if (logger.used == 0) {
			pthread_cond_wait(&logger.wake, &logger.lock);
		} else {
			write_front();
		}
	}
	lose_all();
	logger.ended = true;
	pthread_cond_signal(&logger.left);
	pthread_mutex_unlock(&logger.lock);
	return NULL;
}

static void emit(struct bytes text)
{
	pthread_mutex_lock(&logger.lock);
	if (!logger.running) {
		write_directly(text);
	} else {
		bool was_empty = logger.used == 0;
		if (logger.unreported > 0 && logger.used < RING_SIZE / 2) {
			report_losses();
		}
		if (!ring_put(text)) {
			lose(1);
		}
		if (was_empty) {
			pthread_cond_signal(&logger.wake);
		}
	}
	pthread_mutex_unlock(&logger.lock);
}

// What there is to log with

static void describe_fd(int fd)
{
	struct stat st;
	bool known = fstat(fd, &st) == 0;
	logger.fd = fd;
	logger.is_socket = known && S_ISSOCK(st.st_mode);
	logger.write_max = known && S_ISFIFO(st.st_mode) ? PIPE_BUF : WRITE_MAX;
}

void log_start(int fd, enum log_format format, enum log_level level)
{
	CHECK(!logger.running && !logger.stopping);
	describe_fd(fd);
	logger.format = format;
	log_set_level(level);
	// Signals are for the main loop; a broken pipe is a result of write() here.
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	CHECK(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	if (pthread_create(&logger.thread, NULL, run_writer, NULL) != 0) {
		mem_exhausted(); // for its stack
	}
	CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	logger.ended = false;
	logger.running = true;
}

void log_stop(void)
{
	pthread_mutex_lock(&logger.lock);
	if (!logger.running) {
		pthread_mutex_unlock(&logger.lock);
		return;
	}
	logger.running = false;
	logger.stopping = true;
	logger.stop_by_ms = clock_mono_ms() + STOP_WAIT_MS;
	pthread_cond_signal(&logger.wake);
	uint64_t give_up_ms = logger.stop_by_ms + STOP_SLACK_MS;
	struct timespec give_up = {
		.tv_sec = (time_t)(give_up_ms / 1000),
		.tv_nsec = (long)(give_up_ms % 1000 * 1000000),
	};
	int r = 0;
	while (!logger.ended && r == 0) {
		r = pthread_cond_clockwait(&logger.left, &logger.lock, CLOCK_MONOTONIC, &give_up);
	}
	bool ended = logger.ended;
	logger.stopping = !ended;
	pthread_mutex_unlock(&logger.lock);
	if (ended) {
		pthread_join(logger.thread, NULL);
	} else {
		// It hangs in write(), and may: the process is about to end.
		pthread_detach(logger.thread);
	}
}

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&least_level, (int)level, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&least_level, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
	return atomic_load_explicit(&n_dropped, memory_order_relaxed);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct line line;
	line_make(&line, level, event, fields);
	emit(bytes_make(line.text, line.len));
}

void log_raw(const char *line)
{
	struct buf text = { 0 };
	buf_append_str(&text, line);
	buf_append_byte(&text, '\n');
	emit(buf_bytes(&text));
	buf_fini(&text);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ms, uint32_t *suppressed)
{
	// Threads may meet at the turn of a window; a line more or less does not matter.
	uint64_t window_ms = atomic_load_explicit(&limit->window_ms, memory_order_relaxed);
	if (now_ms > window_ms && now_ms - window_ms >= LIMIT_WINDOW_MS &&
		atomic_compare_exchange_strong(&limit->window_ms, &window_ms, now_ms)) {
		atomic_store_explicit(&limit->used, 0, memory_order_relaxed);
	}
	uint32_t per_s = limit->per_s > 0 ? limit->per_s : LOG_LIMIT_PER_S;
	if (atomic_fetch_add_explicit(&limit->used, 1, memory_order_relaxed) < per_s) {
		*suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
		return true;
	}
	atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
	return false;
}
