// hiredis in its blocking form, on the store's own thread: there is one question at a time anyway,
// and the code of connecting, attaching and repairing reads from top to bottom. Rejected: its
// asynchronous form on the routing thread, in which each of these is a chain of callbacks, and
// which in the version of Debian 12 has neither timeouts nor a way to connect again.
//
// An error of Redis's is sorted here. Some say for sure that nothing was written, since Redis
// refuses before it runs a function; of all others nobody knows, and the link is given up: who
// attaches anew sees how far the store has come.

#include "router/store/redis_link.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "router/store/redis_library.h"

#define KEYS "{w}"

enum {
	VERSION_MIN = 7,
	ARGS_MAX = 16 + 4 * STORE_SLOTS,
	NUMBERS_MAX = 16 + 2 * STORE_SLOTS,
	NUMBER_LEN = 24,
	READ_SLOTS = 16, // at once
};

struct redis_link {
	redisContext *context;
	struct buf why;
	size_t n_args; // of the question that is made
	const char *args[ARGS_MAX];
	size_t lens[ARGS_MAX];
	size_t n_numbers;
	char numbers[NUMBERS_MAX][NUMBER_LEN];
};

// ---- one question

static void ask(struct redis_link *link)
{
	link->n_args = 0;
	link->n_numbers = 0;
}

static void add_bytes(struct redis_link *link, struct bytes arg)
{
	CHECK(link->n_args < ARGS_MAX);
	link->args[link->n_args] = arg.data != NULL ? (const char *)arg.data : "";
	link->lens[link->n_args++] = arg.len;
}

static void add(struct redis_link *link, const char *arg)
{
	add_bytes(link, bytes_str(arg));
}

static void add_number(struct redis_link *link, uint64_t number)
{
	CHECK(link->n_numbers < NUMBERS_MAX);
	char *text = link->numbers[link->n_numbers++];
	snprintf(text, NUMBER_LEN, "%" PRIu64, number);
	add(link, text);
}

static void say_why(struct redis_link *link, const char *text)
{
	link->why.len = 0;
	buf_append(&link->why, text, strlen(text) + 1);
}

static enum redis_result fail(struct redis_link *link, enum redis_result result, const char *text)
{
	say_why(link, text);
	return result;
}

const char *redis_link_why(const struct redis_link *link)
{
	return link->why.len > 0 ? (const char *)link->why.data : "";
}

// Why hiredis gave up.
static const char *context_error(const redisContext *context)
{
	if (context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EINPROGRESS)) {
		return "it does not answer";
	}
	return context->err != 0 ? context->errstr : "closed";
}

static enum redis_result sort_error(struct redis_link *link, const char *text)
{
	static const char *const refusals[] = { "OOM ", "MISCONF ", "NOREPLICAS " };
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		if (strncmp(text, refusals[i], strlen(refusals[i])) == 0) {
			return fail(link, REDIS_LINK_REFUSED, text);
		}
	}
	return fail(link, REDIS_LINK_BROKEN, text);
}

// The next answer, the caller's to free; NULL, with `*result` saying what is wrong.
static redisReply *take_reply(struct redis_link *link, enum redis_result *result)
{
	void *taken = NULL;
	if (redisGetReply(link->context, &taken) != REDIS_OK || taken == NULL) {
		*result = fail(link, REDIS_LINK_BROKEN, context_error(link->context));
		return NULL;
	}
	redisReply *reply = taken;
	if (reply->type == REDIS_REPLY_ERROR) {
		*result = sort_error(link, reply->str);
		freeReplyObject(reply);
		return NULL;
	}
	*result = REDIS_LINK_OK;
	return reply;
}

static enum redis_result send_question(struct redis_link *link)
{
	return redisAppendCommandArgv(link->context, (int)link->n_args, link->args, link->lens) ==
			REDIS_OK
		? REDIS_LINK_OK
		: fail(link, REDIS_LINK_BROKEN, context_error(link->context));
}

static redisReply *answer(struct redis_link *link, enum redis_result *result)
{
	*result = send_question(link);
	return *result == REDIS_LINK_OK ? take_reply(link, result) : NULL;
}

// A question whose answer does not matter.
static enum redis_result answered(struct redis_link *link)
{
	enum redis_result result;
	redisReply *reply = answer(link, &result);
	if (reply != NULL) {
		freeReplyObject(reply);
	}
	return result;
}

// ---- connecting

static struct timeval timeval_of(uint64_t ms)
{
	return (struct timeval){
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};
}

static enum redis_open_result connect_to(struct redis_link *link, const struct redis_target *target)
{
	const struct redis_url *url = &target->url;
	const struct timeval timeout = timeval_of(target->timeout_ms);
	link->context = url->path != NULL ? redisConnectUnixWithTimeout(url->path, timeout)
					  : redisConnectWithTimeout(url->host, url->port, timeout);
	if (link->context == NULL) {
		mem_exhausted();
	}
	if (link->context->err != 0) {
		say_why(link, context_error(link->context));
		return REDIS_AWAY;
	}
	link->context->reader->maxbuf = 0; // else it allocates anew for every long log
	(void)redisSetTimeout(link->context, timeout);
	if (url->path == NULL) {
		(void)redisEnableKeepAlive(link->context);
	}
	return REDIS_OPEN;
}

// What Redis says while a link is opened, and what is to be done. Will it pass?
static enum redis_open_result sort_opening(struct redis_link *link)
{
	static const struct {
		const char *prefix;
		const char *hint; // NULL: it says it itself
	} faults[] = {
		{ "WRONGPASS", "it refuses the password: see store-password-file, and the user" },
		{ "NOAUTH", "it wants a password: give store-password-file" },
		{ "ERR AUTH", "it has no password: leave out store-password-file" },
		{ "ERR unknown command", "functions are not available: allow FUNCTION and FCALL" },
		{ "NOPERM", NULL },
		{ "ERR ", NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		if (strncmp(redis_link_why(link), faults[i].prefix, strlen(faults[i].prefix)) ==
			0) {
			if (faults[i].hint != NULL) {
				say_why(link, faults[i].hint);
			}
			return REDIS_UNFIT;
		}
	}
	return REDIS_AWAY;
}

static enum redis_open_result authenticate(struct redis_link *link,
	const struct redis_target *target)
{
	if (target->password.len == 0) {
		return REDIS_OPEN;
	}
	ask(link);
	add(link, "AUTH");
	if (target->url.user != NULL) {
		add(link, target->url.user);
	}
	add_bytes(link, target->password);
	return answered(link) == REDIS_LINK_OK ? REDIS_OPEN : sort_opening(link);
}

static enum redis_open_result select_database(struct redis_link *link, unsigned db)
{
	if (db == 0) {
		return REDIS_OPEN;
	}
	ask(link);
	add(link, "SELECT");
	add_number(link, db);
	return answered(link) == REDIS_LINK_OK ? REDIS_OPEN : sort_opening(link);
}

// Copies a field of INFO; empty if there is none.
static void info_field(const char *info, const char *name, char *value, size_t size)
{
	size_t len = strlen(name);
	value[0] = '\0';
	for (const char *line = info; line != NULL; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) == 0 && line[len] == ':') {
			snprintf(value, size, "%.*s", (int)strcspn(line + len + 1, "\r\n"),
				line + len + 1);
			return;
		}
	}
}

static enum redis_open_result judge(struct redis_link *link, const char *info)
{
	char value[64];
	char text[160];
	info_field(info, "redis_version", value, sizeof(value));
	if (strtol(value, NULL, 10) < VERSION_MIN) {
		snprintf(text, sizeof(text), "version %s: at least 7 is needed, or Valkey", value);
		say_why(link, text);
		return REDIS_UNFIT;
	}
	info_field(info, "redis_mode", value, sizeof(value));
	if (strcmp(value, "cluster") == 0) {
		say_why(link, "in cluster mode, which is not supported: use a single Redis");
		return REDIS_UNFIT;
	}
	info_field(info, "maxmemory_policy", value, sizeof(value));
	if (value[0] != '\0' && strcmp(value, "noeviction") != 0) {
		snprintf(text, sizeof(text),
			"maxmemory-policy is %s, which drops rooms: set it to noeviction", value);
		say_why(link, text);
		return REDIS_UNFIT;
	}
	info_field(info, "loading", value, sizeof(value));
	if (strcmp(value, "1") == 0) {
		say_why(link, "loading its data");
		return REDIS_AWAY;
	}
	info_field(info, "role", value, sizeof(value));
	if (strcmp(value, "slave") == 0) {
		say_why(link, "a replica: name the primary");
		return REDIS_AWAY;
	}
	return REDIS_OPEN;
}

static enum redis_open_result check_server(struct redis_link *link)
{
	enum redis_result result;
	ask(link);
	add(link, "INFO");
	redisReply *reply = answer(link, &result);
	if (reply == NULL) {
		return sort_opening(link);
	}
	enum redis_open_result open = judge(link, reply->str != NULL ? reply->str : "");
	freeReplyObject(reply);
	return open;
}

// It is in the way of none if it is there already.
static enum redis_open_result load_library(struct redis_link *link)
{
	ask(link);
	add(link, "FUNCTION");
	add(link, "LOAD");
	add(link, redis_library);
	if (answered(link) == REDIS_LINK_OK ||
		strstr(redis_link_why(link), "already exists") != NULL) {
		return REDIS_OPEN;
	}
	return sort_opening(link);
}

enum redis_open_result redis_link_open(const struct redis_target *target, struct redis_link **link,
	struct buf *why)
{
	struct redis_link *l = xcalloc(1, sizeof(*l));
	enum redis_open_result result = connect_to(l, target);
	if (result == REDIS_OPEN) {
		result = authenticate(l, target);
	}
	if (result == REDIS_OPEN) {
		result = select_database(l, target->url.db);
	}
	if (result == REDIS_OPEN) {
		result = check_server(l);
	}
	if (result == REDIS_OPEN) {
		result = load_library(l);
	}
	if (result != REDIS_OPEN) {
		why->len = 0;
		buf_append_str(why, redis_link_why(l));
		redis_link_close(l);
		l = NULL;
	}
	*link = l;
	return result;
}

void redis_link_close(struct redis_link *link)
{
	if (link != NULL) {
		redisFree(link->context);
		buf_fini(&link->why);
		free(link);
	}
}

int redis_link_fd(const struct redis_link *link)
{
	return link->context->fd;
}

// ---- our functions

static void ask_function(struct redis_link *link, const char *function,
	const struct redis_owner *owner)
{
	ask(link);
	add(link, "FCALL");
	add(link, function);
	add(link, "1");
	add(link, KEYS);
	add(link, owner->incarnation);
	add_number(link, owner->session);
}

// What our functions answer by a word.
static enum redis_result sort_word(struct redis_link *link, const redisReply *reply)
{
	const char *word = reply->str != NULL ? reply->str : "";
	if (strncmp(word, "OK", 2) == 0) {
		return REDIS_LINK_OK;
	}
	if (strcmp(word, "TAKEN") == 0 || strcmp(word, "FOREIGN") == 0) {
		return fail(link, REDIS_LINK_TAKEN, "it belongs to another router");
	}
	if (strcmp(word, "SCHEMA") == 0) {
		return fail(link, REDIS_LINK_TAKEN, "written by another version of weir-router");
	}
	return fail(link, REDIS_LINK_STALE, word);
}

static enum redis_result call(struct redis_link *link)
{
	enum redis_result result;
	redisReply *reply = answer(link, &result);
	if (reply != NULL) {
		result = sort_word(link, reply);
		freeReplyObject(reply);
	}
	return result;
}

static void add_pieces(struct redis_link *link, const struct slot_cut *cut,
	const uint64_t lengths[STORE_SLOTS])
{
	for (size_t i = 0; i < cut->n; i++) {
		const struct slot_piece *piece = &cut->pieces[i];
		add_number(link, piece->slot);
		add(link, piece->replaces ? "i" : "a");
		add_number(link, lengths[piece->slot]);
		add_bytes(link, slot_cut_bytes(cut, piece));
	}
}

enum redis_result redis_link_append(struct redis_link *link, const struct redis_owner *owner,
	uint64_t turn, const struct slot_cut *cut, const uint64_t lengths[STORE_SLOTS])
{
	ask_function(link, REDIS_LIBRARY "_append", owner);
	add_number(link, turn - 1);
	add_number(link, turn);
	add_pieces(link, cut, lengths);
	return call(link);
}

enum redis_result redis_link_image(struct redis_link *link, const struct redis_owner *owner,
	const uint64_t *turn, const struct slot_cut *cut, const uint64_t lengths[STORE_SLOTS])
{
	ask_function(link, REDIS_LIBRARY "_image", owner);
	if (turn != NULL) {
		add_number(link, *turn);
	} else {
		add(link, "");
	}
	add_pieces(link, cut, lengths);
	return call(link);
}

enum redis_result redis_link_beat(struct redis_link *link, const struct redis_owner *owner,
	uint64_t n)
{
	ask_function(link, REDIS_LIBRARY "_beat", owner);
	add_number(link, n);
	return call(link);
}

void redis_link_detach(struct redis_link *link, const struct redis_owner *owner)
{
	ask_function(link, REDIS_LIBRARY "_detach", owner);
	(void)call(link);
}

enum redis_result redis_link_replicas(struct redis_link *link, uint64_t wanted, uint64_t wait_ms,
	uint64_t *n)
{
	enum redis_result result;
	ask(link);
	add(link, "WAIT");
	add_number(link, wanted);
	add_number(link, wait_ms);
	redisReply *reply = answer(link, &result);
	if (reply != NULL) {
		*n = (uint64_t)reply->integer;
		freeReplyObject(reply);
	}
	return result;
}

// ---- attaching

// The connection's number, by which another router asks whether it is still there; 0: not known.
static enum redis_result add_connection(struct redis_link *link, uint64_t *id)
{
	enum redis_result result;
	ask(link);
	add(link, "CLIENT");
	add(link, "ID");
	redisReply *reply = answer(link, &result);
	*id = 0;
	if (reply != NULL) {
		*id = (uint64_t)reply->integer;
		freeReplyObject(reply);
	}
	bool is_forbidden = strncmp(redis_link_why(link), "NOPERM", 6) == 0;
	return reply == NULL && !is_forbidden ? result : REDIS_LINK_OK;
}

// "OK GENERATION TURN LENGTH…"
static bool parse_attached(const char *text, struct redis_attached *attached)
{
	char *end;
	attached->generation = strtoull(text + 2, &end, 10);
	attached->turn = strtoll(end, &end, 10);
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		const char *from = end;
		attached->lengths[slot] = strtoull(from, &end, 10);
		if (end == from) {
			return false;
		}
	}
	return *end == '\0';
}

static enum redis_result take_attached(struct redis_link *link, struct redis_attached *attached)
{
	enum redis_result result;
	redisReply *reply = answer(link, &result);
	if (reply == NULL) {
		return result;
	}
	result = sort_word(link, reply);
	if (result == REDIS_LINK_OK && !parse_attached(reply->str, attached)) {
		result = fail(link, REDIS_LINK_BROKEN, "it answers what it should not");
	}
	freeReplyObject(reply);
	return result;
}

enum redis_result redis_link_attach(struct redis_link *link, const struct redis_owner *owner,
	const uint64_t hash_key[2], const struct redis_others *dead,
	struct redis_attached *attached)
{
	uint64_t id;
	char hash[33];
	enum redis_result result = add_connection(link, &id);
	if (result != REDIS_LINK_OK) {
		return result;
	}
	snprintf(hash, sizeof(hash), "%016" PRIx64 "%016" PRIx64, hash_key[0], hash_key[1]);
	ask_function(link, REDIS_LIBRARY "_attach", owner);
	add_number(link, owner->generation);
	add(link, hash);
	add_number(link, STORE_SCHEMA);
	add_number(link, id);
	add(link, owner->name);
	for (size_t i = 0; i < dead->n; i++) {
		add(link, dead->others[i].incarnation);
	}
	return take_attached(link, attached);
}

enum redis_result redis_link_hash_key(struct redis_link *link, uint64_t hash_key[2])
{
	enum redis_result result;
	ask(link);
	add(link, "HGET");
	add(link, KEYS ":id");
	add(link, "hash");
	redisReply *reply = answer(link, &result);
	if (reply == NULL) {
		return result;
	}
	int n = 0;
	if (reply->str != NULL) {
		// Two numbers of 16 digits cannot be out of range.
		n = sscanf(reply->str, // NOLINT(cert-err34-c)
			"%16" SCNx64 "%16" SCNx64, &hash_key[0], &hash_key[1]);
	}
	freeReplyObject(reply);
	return n == 2 ? REDIS_LINK_OK : REDIS_LINK_STALE;
}

// ---- others

// "SESSION GENERATION CONNECTION NAME"
static bool is_connected(struct redis_link *link, uint64_t id)
{
	enum redis_result result;
	ask(link);
	add(link, "CLIENT");
	add(link, "LIST");
	add(link, "ID");
	add_number(link, id);
	redisReply *reply = answer(link, &result);
	bool connected = reply == NULL || reply->len > 0; // who may not ask has to wait and see
	if (reply != NULL) {
		freeReplyObject(reply);
	}
	return connected;
}

static void copy_text(char *to, size_t size, const redisReply *text)
{
	snprintf(to, size, "%s", text->str != NULL ? text->str : "");
}

static void take_other(struct redis_link *link, const redisReply *incarnation,
	const redisReply *entry, struct redis_other *other)
{
	uint64_t session;
	uint64_t generation;
	uint64_t id = 0;
	*other = (struct redis_other){ 0 };
	copy_text(other->incarnation, sizeof(other->incarnation), incarnation);
	// NOLINTNEXTLINE(cert-err34-c): what is no number is no connection either
	(void)sscanf(entry->str != NULL ? entry->str : "",
		"%20" SCNu64 " %20" SCNu64 " %20" SCNu64 " %63s", &session, &generation, &id,
		other->name);
	other->connected = is_connected(link, id);
}

static enum redis_result take_beat(struct redis_link *link, struct redis_other *other)
{
	enum redis_result result;
	ask(link);
	add(link, "HGET");
	add(link, KEYS ":b");
	add(link, other->incarnation);
	redisReply *reply = answer(link, &result);
	if (reply != NULL) {
		copy_text(other->beat, sizeof(other->beat), reply);
		freeReplyObject(reply);
	}
	return result;
}

enum redis_result redis_link_others(struct redis_link *link, struct redis_others *others)
{
	enum redis_result result;
	others->n = 0;
	ask(link);
	add(link, "HGETALL");
	add(link, KEYS ":r");
	redisReply *reply = answer(link, &result);
	if (reply == NULL) {
		return result;
	}
	for (size_t i = 0; i + 1 < reply->elements && others->n < REDIS_OWNERS_MAX; i += 2) {
		take_other(link, reply->element[i], reply->element[i + 1],
			&others->others[others->n++]);
	}
	freeReplyObject(reply);
	for (size_t i = 0; i < others->n && result == REDIS_LINK_OK; i++) {
		result = take_beat(link, &others->others[i]);
	}
	return result;
}

// ---- reading

static enum redis_result ask_for_logs(struct redis_link *link, uint32_t from)
{
	enum redis_result result = REDIS_LINK_OK;
	for (uint32_t slot = from; slot < from + READ_SLOTS && result == REDIS_LINK_OK; slot++) {
		char key[32];
		snprintf(key, sizeof(key), KEYS ":l:%" PRIu32, slot);
		ask(link);
		add(link, "GET");
		add(link, key);
		result = send_question(link);
	}
	return result;
}

enum redis_result redis_link_read(struct redis_link *link, redis_log_fn *each, void *arg)
{
	enum redis_result result = REDIS_LINK_OK;
	for (uint32_t from = 0; from < STORE_SLOTS && result == REDIS_LINK_OK; from += READ_SLOTS) {
		result = ask_for_logs(link, from);
		for (uint32_t i = 0; i < READ_SLOTS && result == REDIS_LINK_OK; i++) {
			redisReply *reply = take_reply(link, &result);
			if (reply == NULL) {
				break;
			}
			if (reply->len > 0) {
				each(arg, from + i, bytes_make(reply->str, (size_t)reply->len));
			}
			freeReplyObject(reply);
		}
	}
	return result;
}
