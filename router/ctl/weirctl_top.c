// The screen is written anew each second, whole, from what four questions answer; nothing is kept
// but the counters that rates are made of. It uses what any terminal of the last forty years
// understands (ECMA-48: clear, home, reverse) and no colours, so it looks the same over ssh, in
// tmux and where TERM is unknown. ncurses was rejected: it would draw the same lines, and add a
// library and its database of terminals to a program that operators copy to machines in trouble.
//
// Signals only set a flag or break off the wait for a key: the terminal is given back on every way
// out.

#include "router/ctl/weirctl_top.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/bytes.h"
#include "common/check.h"
#include "common/clock.h"
#include "router/ctl/weirctl_print.h"
#include "router/ctl/weirctl_value.h"

enum {
	PERIOD_MS = 1000,
	ROWS_USUAL = 24,
	COLUMNS_USUAL = 80,
	COLUMNS_MIN = 20,
	HEAD_ROWS = 4, // of the screen: two of figures, an empty one, the keys
	SECTION_EXTRA = 2, // title and names of columns
	FILTER_MAX = 64,
	SECTIONS = 3,
};

struct top {
	top_ask_fn *ask;
	void *arg;
	size_t rows, columns;
	bool terminal;
	bool paused;
	bool help;
	bool by_rate; // rooms, else by members
	bool typing; // of the filter
	char filter[FILTER_MAX]; // of rooms; empty: all
	uint64_t published, deliveries; // as of the last question
	uint64_t asked_ms; // monotonic; 0: never
};

static volatile sig_atomic_t ended;

static void on_end(int signum)
{
	(void)signum;
	ended = 1;
}

static void on_resize(int signum)
{
	(void)signum; // it has broken off the wait
}

// ---- answers

static const Weir__Admin__V1__Field *field_of(const Weir__Admin__V1__Reply *reply, const char *name)
{
	for (size_t i = 0; reply->n_rows > 0 && i < reply->rows[0]->n_fields; i++) {
		const Weir__Admin__V1__Field *field = reply->rows[0]->fields[i];
		if (bytes_equal_str(bytes_make(field->name.data, field->name.len), name)) {
			return field;
		}
	}
	return NULL;
}

static uint64_t number_of(const Weir__Admin__V1__Reply *reply, const char *name)
{
	const Weir__Admin__V1__Field *field = field_of(reply, name);
	return field != NULL && field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_NUMBER
		? field->number
		: 0;
}

static void say_field(struct buf *out, const Weir__Admin__V1__Reply *reply, const char *name)
{
	const Weir__Admin__V1__Field *field = field_of(reply, name);
	if (field != NULL) {
		print_value(out, field);
	}
}

// ---- the screen

// Appends at most `columns` characters of a line, and clears the rest of the screen's.
static void put_line(const struct top *top, struct buf *out, struct bytes line)
{
	size_t n = 0;
	size_t end = 0;
	while (end < line.len && n < top->columns) {
		end++;
		while (end < line.len && (line.data[end] & 0xc0) == 0x80) {
			end++; // the rest of a character in UTF-8
		}
		n++;
	}
	buf_append(out, line.data, end);
	buf_append_str(out, top->terminal ? "\x1b[K\n" : "\n");
}

static void put_text(const struct top *top, struct buf *out, const char *text)
{
	put_line(top, out, bytes_str(text));
}

static uint64_t rate_of(uint64_t now, uint64_t before, uint64_t took_ms)
{
	return took_ms > 0 && now > before ? (now - before) * 1000 / took_ms : 0;
}

static void put_figures(struct top *top, struct buf *out, const Weir__Admin__V1__Reply *status)
{
	struct buf line = { 0 };
	uint64_t now_ms = clock_mono_ms();
	uint64_t took_ms = top->asked_ms > 0 ? now_ms - top->asked_ms : 0;
	uint64_t published = number_of(status, "published");
	uint64_t deliveries = number_of(status, "deliveries");
	say_field(&line, status, "name");
	buf_append_byte(&line, ' ');
	say_field(&line, status, "version");
	buf_printf(&line, "  up %" PRIu64 " s  edges %" PRIu64, number_of(status, "uptime"),
		number_of(status, "edges"));
	buf_printf(&line, "  rooms %" PRIu64 "  members %" PRIu64, number_of(status, "rooms"),
		number_of(status, "members"));
	put_line(top, out, buf_bytes(&line));
	line.len = 0;
	buf_printf(&line, "published %" PRIu64 "/s  deliveries %" PRIu64 "/s%s",
		rate_of(published, top->published, took_ms),
		rate_of(deliveries, top->deliveries, took_ms), top->paused ? "  (paused)" : "");
	put_line(top, out, buf_bytes(&line));
	put_text(top, out, "");
	top->published = published;
	top->deliveries = deliveries;
	top->asked_ms = now_ms;
	buf_fini(&line);
}

// A title and the first lines of a table; at most `max` lines in all.
static void put_table(const struct top *top, struct buf *out, const char *title,
	const Weir__Admin__V1__Reply *reply, size_t max)
{
	struct buf text = { 0 };
	struct printer printer = {
		.table = { .width = top->columns, .now_ms = clock_wall_ms() },
	};
	print_reply(&printer, reply, &text);
	put_text(top, out, title);
	struct bytes rest = buf_bytes(&text);
	struct bytes line;
	for (size_t n = 1; n < max && rest.len > 0; n++) {
		(void)bytes_cut(rest, '\n', &line, &rest);
		put_line(top, out, line);
	}
	buf_fini(&text);
}

static void put_keys(const struct top *top, struct buf *out)
{
	char line[160];
	if (top->typing) {
		snprintf(line, sizeof(line), "rooms: %s_", top->filter);
	} else {
		snprintf(line, sizeof(line), "q quit  s sort: %s  f filter: %s  p %s  h help",
			top->by_rate ? "rate" : "members",
			top->filter[0] != '\0' ? top->filter : "*",
			top->paused ? "go on" : "pause");
	}
	struct bytes text = bytes_str(line);
	text.len = text.len < top->columns ? text.len : top->columns;
	buf_append_str(out, "\x1b[J\x1b[7m");
	buf_append_bytes(out, text);
	buf_append_str(out, "\x1b[m\x1b[K");
}

static const char *const help_lines[] = {
	"q       quit",
	"s       sort rooms by members, or by messages in the last seconds",
	"f       show only rooms of a pattern, as news-*; Enter ends it, empty: all",
	"p       pause, or go on",
	"h       this help, or back",
	"",
	"Edges as `weirctl edges`, rooms as `weirctl rooms`, and the connections that",
	"wait for most as `weirctl clients --sort queue`.",
};

// Asks one question of up to `n` words and shows the answer. False if there is none.
static bool put_section(struct top *top, struct buf *out, const char *title, char *const *words,
	size_t n, size_t max)
{
	Weir__Admin__V1__Reply *reply = top->ask(top->arg, words, n);
	if (reply == NULL) {
		return false;
	}
	if (max > SECTION_EXTRA) {
		put_table(top, out, title, reply, max);
	}
	weir__admin__v1__reply__free_unpacked(reply, NULL);
	return true;
}

static bool put_sections(struct top *top, struct buf *out)
{
	size_t left = top->rows > HEAD_ROWS ? top->rows - HEAD_ROWS : 0;
	size_t each = left / SECTIONS;
	char limit[24];
	snprintf(limit, sizeof(limit), "%zu", each);
	char *const edges[] = { "edges" };
	char *const rooms[] = { "rooms", "--sort", top->by_rate ? "rate" : "members", "--limit",
		limit, "--", top->filter };
	char *const clients[] = { "clients", "--sort", "queue", "--limit", limit };
	size_t n_rooms = ARRAY_LEN(rooms) - (top->filter[0] != '\0' ? 0 : 2);
	return put_section(top, out, "EDGES", edges, ARRAY_LEN(edges), each) &&
		put_section(top, out, "ROOMS", rooms, n_rooms, each) &&
		put_section(top, out, "CONNECTIONS THAT WAIT", clients, ARRAY_LEN(clients), each);
}

static void put_help(const struct top *top, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(help_lines) && i + 2 < top->rows; i++) {
		put_text(top, out, help_lines[i]);
	}
}

static void measure(struct top *top)
{
	struct winsize size;
	bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
	top->rows = known ? size.ws_row : ROWS_USUAL;
	top->columns = known ? size.ws_col : COLUMNS_USUAL;
	top->columns = top->columns > COLUMNS_MIN ? top->columns : COLUMNS_MIN;
}

// False if the router no longer answers.
static bool show(struct top *top)
{
	struct buf out = { 0 };
	char *const words[] = { "status" };
	bool fine = true;
	measure(top);
	buf_append_str(&out, top->terminal ? "\x1b[H" : "");
	if (top->help) {
		put_help(top, &out);
	} else {
		Weir__Admin__V1__Reply *status = top->ask(top->arg, words, ARRAY_LEN(words));
		fine = status != NULL;
		if (fine) {
			put_figures(top, &out, status);
			weir__admin__v1__reply__free_unpacked(status, NULL);
			fine = put_sections(top, &out);
		}
	}
	if (top->terminal) {
		put_keys(top, &out);
	}
	if (fine) {
		fwrite(out.data, 1, out.len, stdout);
		fflush(stdout);
	}
	buf_fini(&out);
	return fine;
}

// ---- keys

static void type_filter(struct top *top, char key)
{
	enum {
		BACKSPACE = 8,
		DELETE = 127
	};
	size_t len = strlen(top->filter);
	if (key == '\r' || key == '\n') {
		top->typing = false;
	} else if ((key == BACKSPACE || key == DELETE) && len > 0) {
		top->filter[len - 1] = '\0';
	} else if ((unsigned char)key >= ' ' && key != DELETE && len + 1 < FILTER_MAX) {
		top->filter[len] = key;
		top->filter[len + 1] = '\0';
	}
}

static void take_key(struct top *top, char key)
{
	if (top->typing) {
		type_filter(top, key);
		return;
	}
	switch (key) {
	case 'q':
		ended = 1;
		break;
	case 's':
		top->by_rate = !top->by_rate;
		break;
	case 'f':
		top->typing = true;
		top->filter[0] = '\0';
		break;
	case 'p':
		top->paused = !top->paused;
		break;
	case 'h':
	case '?':
		top->help = !top->help;
		break;
	default:
		break;
	}
}

// Waits for a key, a new size or the next second. True if the screen is to be shown anew.
static bool wait_for_key(struct top *top)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int got = poll(&in, 1, PERIOD_MS);
	char key;
	if (got <= 0) {
		return got < 0 || !top->paused;
	}
	if (read(STDIN_FILENO, &key, 1) == 1) {
		take_key(top, key);
	} else {
		ended = 1; // nobody is there any more
	}
	return true;
}

// ---- the terminal

static void handle(int signum, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler }; // without SA_RESTART
	sigaction(signum, &action, NULL);
}

static int run(struct top *top, const struct termios *before)
{
	struct termios raw = *before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	handle(SIGINT, on_end);
	handle(SIGTERM, on_end);
	handle(SIGHUP, on_end);
	handle(SIGWINCH, on_resize);
	fputs("\x1b[?1049h\x1b[?25l\x1b[2J", stdout);
	bool fine = show(top);
	while (fine && !ended) {
		if (wait_for_key(top) && !ended) {
			fine = show(top);
		}
	}
	fputs("\x1b[?25h\x1b[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSANOW, before);
	return fine ? 0 : -1;
}

int weirctl_top(top_ask_fn *ask, void *arg)
{
	struct top top = { .ask = ask, .arg = arg };
	struct termios before;
	top.terminal = isatty(STDOUT_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	if (!top.terminal) {
		return show(&top) ? 0 : -1;
	}
	return run(&top, &before);
}
