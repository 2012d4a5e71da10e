// Just enough of a JWT to ask "what if": the middle segment as JSON, three claims of it. No
// signature, no time, no key: the router decides nothing for real by what comes from here, and an
// edge would refuse what is malformed. Claims of the wrong type are left out.
//
// Read with jansson, as the edge does, because rights are lists inside an object, which the scanner
// of client messages does not walk.

#include "router/ctl/weirctl_token.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/base64url.h"
#include "common/buf.h"
#include "common/mem.h"
#include "proto/policy/rights.h"

enum {
	TOKEN_MAX = 8192
};

static bool read_file(const char *path, struct buf *out)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (file == NULL) {
		return false;
	}
	uint8_t *at = buf_reserve(out, TOKEN_MAX + 1);
	out->len = fread(at, 1, TOKEN_MAX + 1, file);
	bool good = ferror(file) == 0;
	if (file != stdin) {
		fclose(file);
	}
	while (out->len > 0 && (at[out->len - 1] == '\n' || at[out->len - 1] == '\r')) {
		out->len--;
	}
	return good;
}

static json_t *claims_of(struct bytes token)
{
	struct bytes header;
	struct bytes payload;
	struct bytes rest;
	uint8_t text[TOKEN_MAX];
	size_t len;
	json_t *claims = NULL;
	if (token.len <= TOKEN_MAX && bytes_cut(token, '.', &header, &rest) &&
		bytes_cut(rest, '.', &payload, &rest) && base64url_decode(payload, text, &len)) {
		claims = json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, NULL);
	}
	if (claims != NULL && !json_is_object(claims)) {
		json_decref(claims);
		claims = NULL;
	}
	return claims;
}

static ProtobufCBinaryData copy(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = xmemdup(data, len) };
}

static ProtobufCBinaryData copy_string(const json_t *string)
{
	return copy(json_string_value(string), json_string_length(string));
}

static bool read_user(const json_t *claims, Weir__Admin__V1__Subject *subject)
{
	const json_t *user = json_object_get(claims, "sub");
	if (user == NULL) {
		user = json_object_get(claims, "userId");
	}
	if (json_is_string(user)) {
		subject->user = copy_string(user);
	} else if (json_is_integer(user)) {
		char *text = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(user));
		subject->user = copy(text, strlen(text));
		free(text);
	}
	return subject->user.data != NULL;
}

static void read_roles(const json_t *claims, Weir__Admin__V1__Subject *subject)
{
	const json_t *roles = json_object_get(claims, "roles");
	subject->roles = xcalloc(json_array_size(roles), sizeof(subject->roles[0]));
	for (size_t i = 0; i < json_array_size(roles); i++) {
		const json_t *role = json_array_get(roles, i);
		if (json_is_string(role)) {
			subject->roles[subject->n_roles++] = copy_string(role);
		}
	}
}

static void add_grant(Weir__Admin__V1__Subject *subject, unsigned mask, const json_t *pattern)
{
	Weir__Admin__V1__Grant *grant = xmalloc(sizeof(*grant));
	weir__admin__v1__grant__init(grant);
	grant->mask = mask;
	grant->pattern = copy_string(pattern);
	// The pointer's size is meant.
	size_t size = (subject->n_rights + 1) * sizeof(void *);
	subject->rights = xrealloc(subject->rights, size);
	subject->rights[subject->n_rights++] = grant;
}

static void read_rights(const json_t *claims, Weir__Admin__V1__Subject *subject)
{
	json_t *weir = json_object_get(claims, "weir");
	subject->has_rights = json_is_object(weir);
	const char *name;
	json_t *patterns;
	json_object_foreach(weir, name, patterns)
	{
		unsigned mask = right_parse(bytes_str(name));
		for (size_t i = 0; mask != 0 && i < json_array_size(patterns); i++) {
			const json_t *pattern = json_array_get(patterns, i);
			if (json_is_string(pattern)) {
				add_grant(subject, mask, pattern);
			}
		}
	}
}

Weir__Admin__V1__Subject *weirctl_subject_read(const char *path, const char **why)
{
	struct buf token = { 0 };
	json_t *claims = NULL;
	if (!read_file(path, &token)) {
		*why = "cannot be read";
	} else {
		*why = "not a token";
		claims = claims_of(buf_bytes(&token));
	}
	buf_fini(&token);
	if (claims == NULL) {
		return NULL;
	}
	Weir__Admin__V1__Subject *subject = xmalloc(sizeof(*subject));
	weir__admin__v1__subject__init(subject);
	if (read_user(claims, subject)) {
		read_roles(claims, subject);
		read_rights(claims, subject);
	} else {
		*why = "a token without a user";
		weirctl_subject_free(subject);
		subject = NULL;
	}
	json_decref(claims);
	return subject;
}

void weirctl_subject_free(Weir__Admin__V1__Subject *subject)
{
	if (subject != NULL) {
		weir__admin__v1__subject__free_unpacked(subject, NULL);
	}
}
