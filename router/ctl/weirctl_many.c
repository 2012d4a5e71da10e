// Each router is asked by a process of its own, so that one that hangs costs the others nothing and
// ends by the same alarm as ever; a pipe brings its answers here, where they wait in the kernel
// until it is their turn: no answer is gathered in memory, however long it is. Asking from one
// process was rejected: NNG dials in the foreground only one by one, and no other way reports at
// once that nobody listens.
//
// Rows of several routers stay apart, since what is alike in them is not the same: each router has
// a link of its own to an edge. So every row begins with its router, named as it was on the command
// line. A table is one table all the same.

#include "router/ctl/weirctl_many.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.pb-c.h"
#include "common/buf.h"
#include "common/check.h"
#include "common/mem.h"
#include "proto/admin_json.h"

enum {
	CODE_OK = 0,
	CODE_REFUSED = 1,
	CODE_UNREACHABLE = 3,
	PACKED_MAX = 8 << 20, // more than any router's answer
};

struct asker {
	pid_t pid;
	int fd; // where its answers come from; -1: there is none any more
};

// ---- the pipe

static bool put_all(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;
	while (len > 0) {
		ssize_t n = write(fd, at, len);
		if (n < 0 && errno != EINTR) {
			return false;
		}
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static bool take_all(int fd, void *data, size_t len)
{
	uint8_t *at = data;
	while (len > 0) {
		ssize_t n = read(fd, at, len);
		if (n == 0 || (n < 0 && errno != EINTR)) {
			return false;
		}
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

void many_forward(int fd, const void *packed, size_t len)
{
	const uint32_t size = (uint32_t)len;
	if (!put_all(fd, &size, sizeof(size)) || !put_all(fd, packed, len)) {
		_exit(CODE_OK); // nobody prints it any more
	}
}

// NULL if there is none any more.
static Weir__Admin__V1__Reply *take(int fd)
{
	uint32_t len;
	if (!take_all(fd, &len, sizeof(len)) || len > PACKED_MAX) {
		return NULL;
	}
	uint8_t *packed = xmalloc(len + 1);
	Weir__Admin__V1__Reply *reply = take_all(fd, packed, len)
		? weir__admin__v1__reply__unpack(NULL, len, packed)
		: NULL;
	free(packed);
	return reply;
}

// ---- rows

static ProtobufCBinaryData copy_of(const char *text)
{
	return (ProtobufCBinaryData){ .len = strlen(text), .data = (uint8_t *)xstrdup(text) };
}

// Puts `router` before the fields of a row. What is added is freed with the answer.
static void name_router(Weir__Admin__V1__Row *row, const char *url)
{
	Weir__Admin__V1__Field *field = xmalloc(sizeof(*field));
	weir__admin__v1__field__init(field);
	field->name = copy_of("router");
	field->value_case = WEIR__ADMIN__V1__FIELD__VALUE_TEXT;
	field->text = copy_of(url);
	row->fields = xrealloc(row->fields, (row->n_fields + 1) * sizeof(*row->fields));
	memmove(row->fields + 1, row->fields, row->n_fields * sizeof(*row->fields));
	row->fields[0] = field;
	row->n_fields++;
}

// A sentence of events has no columns: there the router stands before the text.
static void name_in_text(Weir__Admin__V1__Row *row, const char *url)
{
	for (size_t i = 0; i < row->n_fields; i++) {
		Weir__Admin__V1__Field *field = row->fields[i];
		if (field->name.len == 4 && memcmp(field->name.data, "text", 4) == 0 &&
			field->value_case == WEIR__ADMIN__V1__FIELD__VALUE_TEXT) {
			char *text = xasprintf("%s: %.*s", url, (int)field->text.len,
				(const char *)field->text.data);
			free(field->text.data);
			field->text.data = (uint8_t *)text;
			field->text.len = strlen(text);
		}
	}
}

static void print_answer(const struct many *many, const char *url, Weir__Admin__V1__Reply *reply)
{
	struct buf out = { 0 };
	for (size_t i = 0; i < reply->n_rows; i++) {
		if (reply->sentences && !many->printer->json) {
			name_in_text(reply->rows[i], url);
		}
		name_router(reply->rows[i], url);
	}
	bool ok = reply->status == WEIR__ADMIN__V1__STATUS__OK;
	char *prefix = xasprintf(ok ? "%s: " : "weirctl: %s: ", url);
	print_lines_of(&out, prefix, reply->message);
	fwrite(out.data, 1, out.len, ok ? stdout : stderr);
	out.len = 0;
	free(prefix);
	print_reply(many->printer, reply, &out);
	fwrite(out.data, 1, out.len, stdout);
	fflush(stdout);
	buf_fini(&out);
}

// People read the reason on standard error.
static void name_silent(const struct many *many, const char *url)
{
	if (many->printer->json) {
		struct buf out = { 0 };
		buf_append_str(&out, "{\"router\":");
		admin_json_text(&out, (ProtobufCBinaryData){ strlen(url), (uint8_t *)url });
		buf_append_str(&out, ",\"partial\":true}\n");
		fwrite(out.data, 1, out.len, stdout);
		buf_fini(&out);
	}
}

// ---- processes

static void start(const struct many *many, size_t i, struct asker *asker)
{
	int ends[2];
	pid_t parent = getpid();
	fflush(NULL);
	if (pipe(ends) != 0 || (asker->pid = fork()) < 0) {
		fprintf(stderr, "weirctl: %s\n", strerrordesc_np(errno));
		exit(CODE_UNREACHABLE);
	}
	if (asker->pid == 0) {
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		signal(SIGPIPE, SIG_IGN);
		_exit(getppid() == parent ? many->ask(many->arg, i, ends[1]) : CODE_OK);
	}
	close(ends[1]);
	asker->fd = ends[0];
}

static int end(const struct many *many, size_t i, struct asker *asker)
{
	int status = 0;
	close(asker->fd);
	asker->fd = -1;
	while (waitpid(asker->pid, &status, 0) < 0 && errno == EINTR) {
	}
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : CODE_UNREACHABLE;
	if (code == CODE_UNREACHABLE) {
		name_silent(many, many->urls[i]);
	}
	return code;
}

// Prints one answer of that router. False, and its exit code, if there are no more.
static bool step(const struct many *many, size_t i, struct asker *asker, int *code)
{
	Weir__Admin__V1__Reply *reply = take(asker->fd);
	if (reply == NULL) {
		*code = end(many, i, asker);
		return false;
	}
	print_answer(many, many->urls[i], reply);
	weir__admin__v1__reply__free_unpacked(reply, NULL);
	return true;
}

static void print_in_turn(const struct many *many, struct asker *askers, int *codes)
{
	for (size_t i = 0; i < many->n; i++) {
		while (step(many, i, &askers[i], &codes[i])) {
		}
	}
}

static void print_as_they_come(const struct many *many, struct asker *askers, int *codes)
{
	struct pollfd waiting[MANY_MAX];
	size_t left = many->n;
	while (left > 0) {
		for (size_t i = 0; i < many->n; i++) {
			waiting[i] = (struct pollfd){ .fd = askers[i].fd, .events = POLLIN };
		}
		if (poll(waiting, many->n, -1) < 0) {
			continue;
		}
		for (size_t i = 0; i < many->n; i++) {
			bool due = waiting[i].revents != 0;
			left -= due && !step(many, i, &askers[i], &codes[i]);
		}
	}
}

static int code_of_all(const struct many *many, const int *codes)
{
	int highest = CODE_OK;
	bool done = false;
	for (size_t i = 0; i < many->n; i++) {
		highest = codes[i] > highest ? codes[i] : highest;
		done |= codes[i] == CODE_OK;
	}
	return highest == CODE_REFUSED && done && !many->all ? CODE_OK : highest;
}

int many_run(const struct many *many)
{
	struct asker askers[MANY_MAX];
	int codes[MANY_MAX];
	CHECK(many->n <= MANY_MAX);
	for (size_t i = 0; i < many->n; i++) {
		start(many, i, &askers[i]);
	}
	if (many->live) {
		print_as_they_come(many, askers, codes);
	} else {
		print_in_turn(many, askers, codes);
	}
	return code_of_all(many, codes);
}
