// What a client may do in which room: patterns from its token or the edge's defaults, and the rules
// around them (client protocol, section 3). The edge decides with it from the token, the router
// again from what the edge announced, weirctl and weir-token to explain.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/bytes.h"
#include "common/check.h"

enum right {
	RIGHT_JOIN = 1 << 0,
	RIGHT_PUBLISH = 1 << 1,
	RIGHT_PRESENCE = 1 << 2,
	RIGHT_HISTORY = 1 << 3,
	RIGHT_ALL = 15,
};
// "join"; "?" for what is not one right.
const char *right_name(enum right right);
// 0 if `text` names none.
unsigned right_parse(struct bytes text);

enum {
	RIGHTS_PATTERNS_MAX = 256, // per token
	RIGHTS_PATTERN_LEN_MAX = 256,
};

// Patterns with the rights each grants. Reference-counted; immutable once shared. Atomic counts, so
// workers may share one.
struct rights;
struct rights *rights_new(void);
struct rights *rights_ref(struct rights *r);
void rights_unref(struct rights *r); // NULL is fine
// Copies `pattern`; one that is there already gains the rights of `mask`. Bits of `mask` that mean
// nothing here (a newer peer's) are dropped. False if it is empty, longer than
// RIGHTS_PATTERN_LEN_MAX, not printable UTF-8, or one too many. Not for rights that are shared.
MUST_CHECK bool rights_add(struct rights *r, unsigned mask, struct bytes pattern);
// One value of option default-rights: "join+publish+history=room-*".
MUST_CHECK bool rights_add_option(struct rights *r, const char *text);
size_t rights_count(const struct rights *r);
// Borrowed until the next rights_add().
struct bytes rights_at(const struct rights *r, size_t i, unsigned *mask);

// `*` stands for any run of bytes, `{user}` for `user` literally (unless that is empty); all else
// for itself. A room that
// begins with "user:" or "admin:" only matches a pattern that begins with that text as it is
// written (`{user}` does not stand for it). At most room x room + pattern steps, however many
// stars.
bool rights_pattern_match(struct bytes pattern, struct bytes room, struct bytes user);

// The same for a pattern that a client joins: there `{user}` stands for itself.
static inline bool rights_joined_match(struct bytes pattern, struct bytes room)
{
	return rights_pattern_match(pattern, room, bytes_make(NULL, 0));
}

enum lobby_publish {
	LOBBY_PUBLISH_ALL, // whoever the rights let
	LOBBY_PUBLISH_ADMIN,
	LOBBY_PUBLISH_NONE, // not even admins
};

struct rights_policy { // of an edge; the router learns it from HELLO
	struct rights *defaults;
	struct bytes lobby; // empty: none
	enum lobby_publish lobby_publish;
};

struct rights_subject {
	struct bytes user;
	bool admin;
	const struct rights *rights; // NULL: the policy's defaults
};

struct rights_decision {
	bool allowed;
	const char *reason; // static: "pattern", "admin", "own room", "lobby-publish", "no pattern"
	struct bytes pattern; // the one that allowed it; borrowed from the rights
};

// `right` is a single one. Names are the caller's to have checked (proto/names.h).
struct rights_decision rights_decide(const struct rights_policy *policy,
	const struct rights_subject *subject, enum right right, struct bytes room);
// Whether an administrator may join all rooms that match `pattern`. Who is none may not, and need
// not ask. Where role admin gives no right (personal rooms), one of the subject's patterns must
// cover all that `pattern` does; that a room might be the subject's own does not count, since a
// user may be called `*`.
struct rights_decision rights_decide_joined(const struct rights_policy *policy,
	const struct rights_subject *subject, struct bytes pattern);
