// A parser of its own, because the schemes of URLs for Redis are nobody's standard and libcurl's
// parser is an optional part. What it does not know it refuses: a misspelt part must not end in the
// database of somebody else.

#include "router/store/redis_url.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/mem.h"

#define TCP_SCHEME  "redis://"
#define TLS_SCHEME  "rediss://"
#define UNIX_SCHEME "redis+unix://"

enum {
	PORT_MAX = 65535,
	DB_MAX = 65535
};

static bool has_scheme(const char *text, const char *scheme)
{
	return strncmp(text, scheme, strlen(scheme)) == 0;
}

bool redis_url_is(const char *text)
{
	return has_scheme(text, TCP_SCHEME) || has_scheme(text, TLS_SCHEME) ||
		has_scheme(text, UNIX_SCHEME);
}

static bool parse_number(struct bytes text, unsigned max, unsigned *value)
{
	*value = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return false;
		}
		*value = *value * 10 + (unsigned)(text.data[i] - '0');
		if (*value > max) {
			return false;
		}
	}
	return text.len > 0;
}

// Takes `USER@` off the front, if it is there.
static const char *take_user(struct bytes *rest, struct redis_url *url)
{
	struct bytes user;
	struct bytes behind;
	if (!bytes_cut(*rest, '@', &user, &behind)) {
		return NULL;
	}
	if (user.len > 0 && memchr(user.data, ':', user.len) != NULL) {
		return "a password in it is seen by all: put it into store-password-file";
	}
	if (user.len == 0 || memchr(user.data, '/', user.len) != NULL) {
		return "not redis://[USER@]HOST[:PORT][/DB]";
	}
	url->user = xstrndup(user.data, user.len);
	*rest = behind;
	return NULL;
}

// What stands before a colon, or between brackets if it is an address of IPv6.
static bool parse_host(struct bytes text, struct redis_url *url)
{
	unsigned port = REDIS_PORT;
	struct bytes host = text;
	struct bytes rest = { 0 };
	bool has_port;
	if (bytes_has_prefix(text, "[")) {
		if (!bytes_cut(bytes_from(text, 1), ']', &host, &rest)) {
			return false;
		}
		has_port = bytes_has_prefix(rest, ":");
		if (rest.len > 0 && !has_port) {
			return false;
		}
		rest = bytes_from(rest, 1);
	} else {
		has_port = bytes_cut(text, ':', &host, &rest);
	}
	if (host.len == 0 || (has_port && !parse_number(rest, PORT_MAX, &port)) || port == 0) {
		return false;
	}
	url->host = xstrndup(host.data, host.len);
	url->port = (int)port;
	return true;
}

static const char *parse_tcp(struct bytes rest, struct redis_url *url)
{
	struct bytes host;
	struct bytes db;
	bool has_db = bytes_cut(rest, '/', &host, &db) && db.len > 0;
	if (has_db && !parse_number(db, DB_MAX, &url->db)) {
		return "what follows the host is not the number of a database";
	}
	return parse_host(host, url) ? NULL : "not redis://[USER@]HOST[:PORT][/DB]";
}

static const char *parse_unix(struct bytes rest, struct redis_url *url)
{
	struct bytes path;
	struct bytes query;
	bool has_query = bytes_cut(rest, '?', &path, &query);
	bool good = !has_query ||
		(bytes_has_prefix(query, "db=") &&
			parse_number(bytes_from(query, 3), DB_MAX, &url->db));
	if (!good || path.len < 2 || path.data[0] != '/') {
		return "not redis+unix://[USER@]/PATH[?db=N]";
	}
	url->path = xstrndup(path.data, path.len);
	return NULL;
}

const char *redis_url_parse(const char *text, struct redis_url *url)
{
	*url = (struct redis_url){ 0 };
	if (has_scheme(text, TLS_SCHEME)) {
		return "TLS to a Redis is not available: use a unix socket, or a tunnel";
	}
	if (!redis_url_is(text)) {
		return "not redis://[USER@]HOST[:PORT][/DB]";
	}
	bool is_unix = has_scheme(text, UNIX_SCHEME);
	struct bytes rest = bytes_str(text + strlen(is_unix ? UNIX_SCHEME : TCP_SCHEME));
	const char *wrong = take_user(&rest, url);
	if (wrong == NULL) {
		wrong = is_unix ? parse_unix(rest, url) : parse_tcp(rest, url);
	}
	if (wrong != NULL) {
		redis_url_fini(url);
	}
	return wrong;
}

void redis_url_fini(struct redis_url *url)
{
	free(url->user);
	free(url->host);
	free(url->path);
	*url = (struct redis_url){ 0 };
}
