// weirctl: carries its words to the router and prints the rows that come back. It runs no command:
// the router does (but for `top`, a screen over several of them), so an old weirctl runs the
// commands of a newer router. What it knows of them is the table of their words
// (proto/admin_command.h), which explains them where no router is. Several routers are each asked
// by a process of its own (weirctl_many.c).
// The one thing it reads itself is a token, because that is a secret and stays here.
//
// The request has a random id, and NNG sends it again by itself when the connection breaks before
// the answer is there; the router runs it once.
//
// An answer is there within five seconds or there is none. NNG's own timeouts do not cover a dial
// in the foreground, which is what tells at once that nobody listens, so an alarm ends the program.
// Connecting once before, only to see, is no way: a peer that leaves during the handshake can end
// the listening of NNG 1.5.

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "admin.pb-c.h"
#include "common/check.h"
#include "common/clock.h"
#include "common/jscan.h"
#include "common/mem.h"
#include "common/random.h"
#include "proto/admin_command.h"
#include "proto/admin_path.h"
#include "router/ctl/weirctl_many.h"
#include "router/ctl/weirctl_print.h"
#include "router/ctl/weirctl_token.h"
#include "router/ctl/weirctl_top.h"
#include "router/ctl/weirctl_value.h"

enum {
	EXIT_OK = 0,
	EXIT_REFUSED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

enum {
	DEADLINE_S = 5,
	RECONNECT_MS = 20,
	ABSENT_TRIES = 25, // half a second
	RESEND_MS =
		60000, // never by time; infinite would mean: not after a broken connection either
	REPLY_MAX = 4 << 20,
	WORDS_MAX = 64,
	COLUMNS_USUAL = 80,
};

static const char usage_text[] =
	"usage: weirctl [--admin URL]... [--json] COMMAND [ARGUMENTS]\n"
	"  --admin URL  the router's admin socket, PATH or ipc://PATH; else\n"
	"               WEIR_ADMIN of the environment, else where a router\n"
	"               puts it by itself; several: asks each of them\n"
	"  --json       one object a line\n"
	"  --version    version of weirctl\n"
	"  -h, --help   this help, or a command's behind its name\n"
	"`weirctl help` lists the commands, `weirctl help COMMAND` explains one.\n";

struct session {
	char *url; // owned
	bool is_given; // not the place where a router puts it by itself
	nng_socket socket;
	Weir__Admin__V1__Subject *subject; // owned; NULL: no token given
	int forward; // a pipe to who prints the answers of several routers; -1: they are printed
	struct printer printer;
};

// ---- command line

struct options {
	const char *admins[MANY_MAX];
	size_t n_admins; // 0: not given
	const char *token; // a file; NULL: not given
	bool json;
	bool help; // asked for behind a command
	int first; // index of the command in argv
	size_t n_words; // of the command and its arguments
};

static bool is_help(const char *word)
{
	return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

// Takes out what may stand behind the command as well and is weirctl's to handle; no command has
// options of these names. Returns how many arguments are left.
static int take_own(int argc, char **argv, int first, struct options *options)
{
	bool words_only = false;
	int kept = first;
	for (int i = first; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			words_only = true;
		}
		if (!words_only && strcmp(argv[i], "--json") == 0) {
			options->json = true;
		} else if (!words_only && is_help(argv[i])) {
			options->help = true;
		} else if (!words_only && strcmp(argv[i], "--token") == 0 && i + 1 < argc) {
			options->token = argv[++i];
		} else if (!words_only && strncmp(argv[i], "--token=", 8) == 0) {
			options->token = argv[i] + 8;
		} else {
			argv[kept++] = argv[i];
		}
	}
	return kept;
}

// Returns an exit code, or -1 to go on.
static int take_admin(struct options *options, const char *url)
{
	if (options->n_admins == MANY_MAX) {
		fprintf(stderr, "weirctl: more than %d times --admin\n", MANY_MAX);
		return EXIT_USAGE;
	}
	options->admins[options->n_admins++] = url;
	return -1;
}

// Returns an exit code, or -1 to go on.
static int parse_options(int argc, char **argv, struct options *options)
{
	int i = 1;
	int code = -1;
	for (; i < argc && argv[i][0] == '-' && code < 0; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			options->json = true;
		} else if (strcmp(argv[i], "--admin") == 0 && i + 1 < argc) {
			code = take_admin(options, argv[++i]);
		} else if (strncmp(argv[i], "--admin=", 8) == 0) {
			code = take_admin(options, argv[i] + 8);
		} else if (is_help(argv[i])) {
			fputs(usage_text, stdout);
			return EXIT_OK;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("weirctl " WEIR_VERSION);
			return EXIT_OK;
		} else {
			fprintf(stderr, "weirctl: no such option: %s\n%s", argv[i], usage_text);
			return EXIT_USAGE;
		}
	}
	if (code >= 0) {
		return code;
	}
	options->first = i;
	argc = take_own(argc, argv, i, options);
	options->n_words = (size_t)(argc - i);
	if (i == argc || argc - i > WORDS_MAX - 1) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	return -1;
}

// The width of the terminal; without one what COLUMNS says (POSIX, section 8.3), else what any
// terminal has.
static size_t output_width(void)
{
	struct winsize size;
	if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
		size.ws_col > 0) {
		return size.ws_col;
	}
	uint64_t columns;
	bool known = jscan_uint_decode(bytes_str(getenv("COLUMNS")), &columns) && columns > 0;
	return known ? columns : COLUMNS_USUAL;
}

// ---- the router

// What the alarm says, made before it is set: its handler may not format.
static char alarm_text[512];

static void on_alarm(int signum)
{
	(void)signum;
	ssize_t put = write(STDERR_FILENO, alarm_text, strlen(alarm_text));
	(void)put;
	_exit(EXIT_UNREACHABLE);
}

static volatile sig_atomic_t line_open;

// What goes on without end is ended by who has seen enough.
static void on_enough(int signum)
{
	(void)signum;
	if (line_open) {
		ssize_t put = write(STDOUT_FILENO, "\n", 1);
		(void)put;
	}
	_exit(EXIT_OK);
}

static void set_deadline(const struct session *session)
{
	snprintf(alarm_text, sizeof(alarm_text), "weirctl: no router answers at %s: %d s passed\n",
		session->url, DEADLINE_S);
	signal(SIGALRM, on_alarm);
	alarm(DEADLINE_S);
}

static int unreachable(const struct session *session, const char *why)
{
	fprintf(stderr, "weirctl: no router answers at %s: %s\n", session->url, why);
	return EXIT_UNREACHABLE;
}

static int open_socket(nng_socket *socket)
{
	int result = nng_req0_open(socket);
	if (result == 0) {
		result = nng_socket_set_ms(*socket, NNG_OPT_REQ_RESENDTIME, RESEND_MS);
	}
	if (result == 0) {
		result = nng_socket_set_ms(*socket, NNG_OPT_RECONNMINT, RECONNECT_MS);
	}
	if (result == 0) {
		result = nng_socket_set_size(*socket, NNG_OPT_RECVMAXSZ, REPLY_MAX);
	}
	return result;
}

// The router's listener may be about to be replaced: then it breaks off, which is no answer yet.
static bool may_come_back(int result)
{
	return result == NNG_ECLOSED || result == NNG_ECONNSHUT || result == NNG_ECONNRESET ||
		result == NNG_ECONNABORTED || result == NNG_ETIMEDOUT || result == NNG_EAGAIN;
}

// Between two listeners there is none for a moment, which looks like a router that is not there.
static bool may_be_back_soon(int result, unsigned tries)
{
	return (result == NNG_ECONNREFUSED || result == NNG_ENOENT) && tries < ABSENT_TRIES;
}

static int dial(nng_socket socket, const char *url)
{
	int result;
	unsigned tries = 0;
	while ((result = nng_dial(socket, url, NULL, 0)) != 0 &&
		(may_come_back(result) || may_be_back_soon(result, tries++))) {
		usleep(RECONNECT_MS * 1000);
	}
	return result;
}

static const char scheme[] = "ipc://";

// What is the matter, and what to do about it.
static const char *why_not(const struct session *session, int result)
{
	static const char service[] = "/run/weir/router.sock";
	bool elsewhere = !session->is_given && access("/run/weir", F_OK) == 0 &&
		strcmp(session->url + sizeof(scheme) - 1, service) != 0;
	// NNG says of a missing socket that it refuses.
	bool missing = access(session->url + sizeof(scheme) - 1, F_OK) != 0 && errno == ENOENT;
	switch (missing ? NNG_ENOENT : result) {
	case NNG_ENOENT:
		return elsewhere ? "no such socket; a service's is in /run/weir: ask as its user, "
				   "as by sudo"
				 : "no such socket; start weir-router, or name its socket by "
				   "--admin or WEIR_ADMIN";
	case NNG_ECONNREFUSED:
		return "refused; the socket exists but no process listens: start weir-router";
	case NNG_EPERM:
		return "forbidden; the socket is its owner's: ask as that user, as by sudo";
	default:
		return nng_strerror(result);
	}
}

static int connect_router(struct session *session)
{
	if (strncmp(session->url, scheme, sizeof(scheme) - 1) != 0) {
		fprintf(stderr, "weirctl: --admin takes PATH or ipc://PATH\n");
		return EXIT_USAGE;
	}
	int result = open_socket(&session->socket);
	if (result == 0) {
		result = dial(session->socket, session->url);
	}
	return result == 0 ? EXIT_OK : unreachable(session, why_not(session, result));
}

static nng_msg *make_request(const struct session *session, char *const *words, size_t n_words)
{
	Weir__Admin__V1__Request request = WEIR__ADMIN__V1__REQUEST__INIT;
	ProtobufCBinaryData argv[WORDS_MAX];
	CHECK(n_words <= WORDS_MAX);
	request.id = random_u64();
	for (size_t i = 0; i < n_words; i++) {
		argv[i].data = (uint8_t *)words[i];
		argv[i].len = strlen(words[i]);
	}
	request.subject = session->subject;
	request.n_argv = n_words;
	request.argv = argv;
	request.version.data = (uint8_t *)WEIR_VERSION;
	request.version.len = strlen(WEIR_VERSION);
	nng_msg *message;
	if (nng_msg_alloc(&message, weir__admin__v1__request__get_packed_size(&request)) != 0) {
		mem_exhausted(); // nothing else makes it fail
	}
	weir__admin__v1__request__pack(&request, nng_msg_body(message));
	return message;
}

// Exchanges one request for one answer. NNG error code.
static int exchange(nng_socket socket, nng_msg *request, nng_msg **reply)
{
	int result = nng_sendmsg(socket, request, 0);
	if (result != 0) {
		nng_msg_free(request);
		return result;
	}
	return nng_recvmsg(socket, reply, 0);
}

// ---- answers

static int code_of(const Weir__Admin__V1__Reply *reply)
{
	switch (reply->status) {
	case WEIR__ADMIN__V1__STATUS__OK:
		return EXIT_OK;
	case WEIR__ADMIN__V1__STATUS__USAGE:
		return EXIT_USAGE;
	default:
		return EXIT_REFUSED;
	}
}

static void forward(int fd, const Weir__Admin__V1__Reply *reply)
{
	size_t len = weir__admin__v1__reply__get_packed_size(reply);
	uint8_t *packed = xmalloc(len);
	weir__admin__v1__reply__pack(reply, packed);
	many_forward(fd, packed, len);
	free(packed);
}

static void print(struct session *session, const Weir__Admin__V1__Reply *reply)
{
	bool ok = reply->status == WEIR__ADMIN__V1__STATUS__OK;
	if (session->forward >= 0) {
		forward(session->forward, reply);
		return;
	}
	struct buf out = { 0 };
	print_lines_of(&out, ok ? "" : "weirctl: ", reply->message);
	fwrite(out.data, 1, out.len, ok ? stdout : stderr);
	out.len = 0;
	print_reply(&session->printer, reply, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_fini(&out);
}

// The answer, to be freed; NULL and `*why` if there is none.
static Weir__Admin__V1__Reply *fetch(const struct session *session, char *const *words,
	size_t n_words, const char **why)
{
	nng_msg *message = NULL;
	int result = exchange(session->socket, make_request(session, words, n_words), &message);
	if (result != 0) {
		*why = nng_strerror(result);
		return NULL;
	}
	Weir__Admin__V1__Reply *reply =
		weir__admin__v1__reply__unpack(NULL, nng_msg_len(message), nng_msg_body(message));
	nng_msg_free(message);
	*why = "not an answer of a router";
	return reply;
}

// One request and its answer. `*cursor` (owned) is set if there is more.
static int ask(struct session *session, char *const *words, size_t n_words, char **cursor)
{
	const char *why;
	set_deadline(session);
	Weir__Admin__V1__Reply *reply = fetch(session, words, n_words, &why);
	alarm(0);
	if (reply == NULL) {
		return unreachable(session, why);
	}
	int code = code_of(reply);
	print(session, reply);
	line_open = session->printer.bar.open;
	if (reply->live) {
		signal(SIGINT, on_enough);
		fflush(stdout);
	}
	if (reply->more) {
		*cursor = xstrndup(reply->cursor.data, reply->cursor.len);
	}
	weir__admin__v1__reply__free_unpacked(reply, NULL);
	return code;
}

// Asks until there is no more; each further page with the cursor as last word.
static int run(struct session *session, char *const *words, size_t n_words)
{
	char *all[WORDS_MAX];
	memcpy(all, words, n_words * sizeof(*all));
	char *cursor = NULL;
	int code;
	do {
		char *last = cursor;
		cursor = NULL;
		all[n_words] = last;
		code = ask(session, all, n_words + (last != NULL), &cursor);
		free(last);
	} while (code == EXIT_OK && cursor != NULL);
	free(cursor);
	return code;
}

// The deadline must not end the program here: the terminal is to be given back.
static Weir__Admin__V1__Reply *ask_for_top(void *arg, char *const *words, size_t n_words)
{
	const char *why;
	return fetch(arg, words, n_words, &why);
}

static int run_top(struct session *session)
{
	alarm(0);
	int result = nng_socket_set_ms(session->socket, NNG_OPT_RECVTIMEO, DEADLINE_S * 1000);
	if (result == 0 && weirctl_top(ask_for_top, session) == 0) {
		return EXIT_OK;
	}
	return unreachable(session, "it did a moment ago");
}

static int read_token(struct session *session, const char *path)
{
	const char *why;
	session->subject = weirctl_subject_read(path, &why);
	if (session->subject == NULL) {
		fprintf(stderr, "weirctl: --token: %s: %s\n", path, why);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

// A path is taken for a socket there.
static char *url_of(const char *given)
{
	return strstr(given, "://") != NULL ? xstrdup(given) : xasprintf("ipc://%s", given);
}

static int open_session(struct session *session, const char *admin)
{
	const char *why = NULL;
	const char *given = admin != NULL ? admin : getenv("WEIR_ADMIN");
	session->is_given = given != NULL && given[0] != '\0';
	session->url = session->is_given ? url_of(given) : router_admin_default(&why);
	if (session->url == NULL) {
		fprintf(stderr, "weirctl: no router answers at any default place: %s\n", why);
		return EXIT_UNREACHABLE;
	}
	set_deadline(session);
	return connect_router(session);
}

// The socket is closed by the end of the process: nng_close() has been seen to take seconds.
static int ask_one(struct session *session, const char *admin, char *const *words, size_t n_words)
{
	int code = open_session(session, admin);
	if (code == EXIT_OK) {
		bool top = n_words == 1 && strcmp(words[0], "top") == 0;
		code = top ? run_top(session) : run(session, words, n_words);
	}
	free(session->url);
	return code;
}

// ---- several routers

struct question {
	struct session *session;
	const struct options *options;
	char *const *words;
};

static int ask_for_many(void *arg, size_t i, int fd)
{
	const struct question *q = arg;
	q->session->forward = fd;
	return ask_one(q->session, q->options->admins[i], q->words, q->options->n_words);
}

static int ask_many(struct session *session, const struct options *options, char *const *words)
{
	struct question q = { .session = session, .options = options, .words = words };
	const struct admin_command *c = admin_command_find(bytes_str(words[0]));
	bool watch = strcmp(words[0], "watch") == 0;
	if (c != NULL && c->of_one) {
		fprintf(stderr, "weirctl: %s is for one router: give one --admin\n", words[0]);
		return EXIT_USAGE;
	}
	const struct many many = {
		.urls = options->admins,
		.n = options->n_admins,
		.live = watch,
		.all = strcmp(words[0], "ready") == 0 || (c != NULL && c->changes),
		.ask = ask_for_many,
		.arg = &q,
		.printer = &session->printer,
	};
	if (watch) {
		signal(SIGINT, on_enough);
	}
	return many_run(&many);
}

// `help`, `help COMMAND` and `COMMAND --help` need no router, unless the command is one of a newer
// router. True if that is all.
static bool explain_words(const struct options *options, char *const *words)
{
	bool is_help_command = strcmp(words[0], "help") == 0;
	const char *name = options->help ? words[0] : options->n_words > 1 ? words[1] : NULL;
	if (!options->help && (!is_help_command || options->n_words > 2)) {
		return false;
	}
	const struct admin_command *c = admin_command_find(bytes_str(name));
	if (name != NULL && c == NULL) {
		return false;
	}
	struct buf text = { 0 };
	if (name != NULL) {
		admin_command_explain(c, &text);
	} else {
		admin_commands_list(&text);
	}
	printf("%.*s\n", (int)text.len, (const char *)text.data);
	buf_fini(&text);
	return true;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	int code = parse_options(argc, argv, &options);
	if (code >= 0) {
		return code;
	}
	if (explain_words(&options, argv + options.first)) {
		return EXIT_OK;
	}
	struct session session = {
		.forward = -1,
		.printer = {
			.json = options.json,
			.table = { .width = output_width(), .now_ms = clock_wall_ms() },
			.bar = { .wanted = isatty(STDOUT_FILENO) && options.n_admins <= 1 },
		},
	};
	if (options.token != NULL && read_token(&session, options.token) != EXIT_OK) {
		return EXIT_USAGE;
	}
	char *const *words = argv + options.first;
	code = options.n_admins > 1 ? ask_many(&session, &options, words)
				    : ask_one(&session, options.admins[0], words, options.n_words);
	if (fflush(stdout) != 0 && code == EXIT_OK) {
		code = EXIT_REFUSED;
	}
	weirctl_subject_free(session.subject);
	return code;
}
