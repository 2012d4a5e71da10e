// A table of paths. A path is cut at its slashes before anything is decoded, so an encoded slash is
// part of a room's name and never a path's.

#include "edge/http/api_route.h"

#include <string.h>

#include "common/ascii.h"
#include "edge/http/http_upgrade.h"

enum {
	METHOD_GET = 1 << 0, // and HEAD
	METHOD_POST = 1 << 1,
	METHOD_DELETE = 1 << 2,
	SEGMENTS_MAX = 4,
};

struct path_row {
	const char *segments[SEGMENTS_MAX]; // after /v1/; "*" is the name of a room or user
	enum api_route get, post, del; // API_NONE: not with this method
	const char *allow;
};

static const struct path_row paths[] = {
	{ { "rooms", "*", "messages" }, API_HISTORY, API_PUBLISH, API_NONE,
		"GET, HEAD, POST, OPTIONS" },
	{ { "rooms", "*", "presence" }, API_PRESENCE, API_NONE, API_NONE, "GET, HEAD, OPTIONS" },
	{ { "rooms", "*", "events" }, API_EVENTS, API_NONE, API_NONE, "GET, HEAD, OPTIONS" },
	{ { "events" }, API_EVENTS_MANY, API_NONE, API_NONE, "GET, HEAD, OPTIONS" },
	{ { "messages" }, API_NONE, API_BATCH, API_NONE, "POST, OPTIONS" },
	{ { "broadcast" }, API_NONE, API_BROADCAST, API_NONE, "POST, OPTIONS" },
	{ { "users", "*", "connections" }, API_NONE, API_NONE, API_DISCONNECT, "DELETE, OPTIONS" },
	{ { "whoami" }, API_WHOAMI, API_NONE, API_NONE, "GET, HEAD, OPTIONS" },
	{ { "openapi.json" }, API_OPENAPI, API_NONE, API_NONE, "GET, HEAD, OPTIONS" },
};

static const char *const names[API_ROUTE_COUNT] = {
	[API_NONE] = "none",
	[API_PUBLISH] = "publish",
	[API_BATCH] = "batch",
	[API_BROADCAST] = "broadcast",
	[API_HISTORY] = "history",
	[API_PRESENCE] = "presence",
	[API_EVENTS] = "events",
	[API_EVENTS_MANY] = "events_many",
	[API_DISCONNECT] = "disconnect",
	[API_WHOAMI] = "whoami",
	[API_OPENAPI] = "openapi",
	[API_PREFLIGHT] = "preflight",
};

const char *api_route_name(enum api_route route)
{
	CHECK(route < API_ROUTE_COUNT);
	return names[route];
}

bool api_path_is(struct bytes path)
{
	return bytes_has_prefix(path, "/v1/");
}

// True if the row is the path's; `*name` is what stands for the star, not decoded.
static bool row_fits(const struct path_row *row, struct bytes rest, struct bytes *name)
{
	for (size_t i = 0; i < SEGMENTS_MAX && row->segments[i] != NULL; i++) {
		struct bytes segment;
		bool more = bytes_cut(rest, '/', &segment, &rest);
		bool last = i + 1 == SEGMENTS_MAX || row->segments[i + 1] == NULL;
		if (more == last) {
			return false;
		}
		if (strcmp(row->segments[i], "*") == 0) {
			*name = segment;
		} else if (!bytes_equal_str(segment, row->segments[i])) {
			return false;
		}
	}
	return true;
}

static enum api_route route_of(const struct path_row *row, const struct http_head *head)
{
	if (bytes_equal_str(head->method, "GET") || bytes_equal_str(head->method, "HEAD")) {
		return row->get;
	}
	if (bytes_equal_str(head->method, "POST")) {
		return row->post;
	}
	if (bytes_equal_str(head->method, "OPTIONS")) {
		return API_PREFLIGHT;
	}
	return bytes_equal_str(head->method, "DELETE") ? row->del : API_NONE;
}

int api_route_find(const struct http_head *head, struct buf *scratch, struct api_target *target)
{
	struct bytes rest = bytes_from(head->path, strlen("/v1/"));
	struct bytes name = { 0 };
	const struct path_row *row = NULL;
	*target = (struct api_target){ .allow = "" };
	for (size_t i = 0; i < ARRAY_LEN(paths) && row == NULL; i++) {
		row = row_fits(&paths[i], rest, &name) ? &paths[i] : NULL;
	}
	if (row == NULL) {
		return 404;
	}
	target->allow = row->allow;
	target->route = route_of(row, head);
	if (target->route == API_NONE) {
		return 405;
	}
	target->has_body = bytes_equal_str(head->method, "POST");
	target->head_only = bytes_equal_str(head->method, "HEAD");
	buf_reset(scratch, SIZE_MAX);
	if (!http_percent_decode(name, scratch)) {
		return 400;
	}
	target->name = buf_bytes(scratch);
	return 0;
}

static bool next_pair(struct bytes *rest, struct bytes *name, struct bytes *value)
{
	struct bytes pair;
	if (rest->len == 0) {
		return false;
	}
	bytes_cut(*rest, '&', &pair, rest);
	bytes_cut(pair, '=', name, value);
	return true;
}

int api_query_find(struct bytes query, const char *name, struct bytes *cursor, struct buf *scratch,
	struct bytes *value)
{
	struct bytes rest = query;
	struct bytes key;
	struct bytes raw;
	int found = 0;
	while (next_pair(&rest, &key, &raw)) {
		if (!bytes_equal_str(key, name)) {
			continue;
		}
		if (found == 1) {
			return -1;
		}
		size_t start = scratch->len;
		if (!http_percent_decode(raw, scratch)) {
			return -1;
		}
		*value = bytes_from(buf_bytes(scratch), start);
		found = 1;
		if (cursor != NULL) {
			*cursor = rest;
			return 1;
		}
	}
	return found;
}

int api_query_uint(struct bytes query, const char *name, uint64_t *value)
{
	struct buf scratch = { 0 };
	struct bytes text;
	int found = api_query_find(query, name, NULL, &scratch, &text);
	if (found == 1 && (!ascii_uint(text, value) || *value >> 53 != 0)) {
		found = -1;
	}
	buf_fini(&scratch);
	return found;
}
