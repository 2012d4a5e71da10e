// One entry a user or token id. Two revocations of the same user become one that covers both, so a
// set grows with names and not with commands, and sets that met over a link can be united in any
// order, as often as one likes, with the same result: nothing narrows an entry. Time takes it away,
// and a lift ends what was made before it. (One that was united with a later one before the lift
// came stays as wide as it was.)
//
// The key is a letter and the text ("u" or "j"), so that one table serves both kinds. Names come
// from the tokens of unknown users by way of an operator; the table's hash is keyed.
//
// Rejected: a list of tokens. A token has many texts that verify (RFC 7515 does not make them one),
// and whoever revokes a user rarely knows what was issued.

#include "proto/policy/revocations.h"

#include <stdlib.h>

#include "common/mem.h"
#include "proto/names.h"

struct entry {
	struct map_node node;
	int64_t before_s; // 0: nothing is revoked any more
	int64_t since_ms;
	int64_t lifted_ms; // what was made up to then has ended; 0: nothing
	int64_t sealed_before_s; // what the seal is of
	int64_t sealed_since_ms;
	bool is_sealed;
	uint8_t seal[REVOCATION_SEAL_LEN];
	size_t key_len;
	uint8_t key[]; // 'u' or 'j', then the name
};

enum {
	KEY_MAX_LEN = 1 + REVOCATION_JTI_MAX
};

static struct bytes key_of(const struct map_node *node)
{
	const struct entry *e = CONTAINER_OF(node, struct entry, node);
	return bytes_make(e->key, e->key_len);
}

static struct entry *entry_of(struct map_node *node)
{
	return node != NULL ? CONTAINER_OF(node, struct entry, node) : NULL;
}

bool revocation_valid(const struct revocation *rev)
{
	bool by_user = rev->user.len > 0;
	bool named = by_user ? rev->jti.len == 0 && user_name_valid(rev->user)
			     : rev->jti.len > 0 && rev->jti.len <= REVOCATION_JTI_MAX &&
			memchr(rev->jti.data, '\0', rev->jti.len) == NULL;
	return named && rev->before_s >= 0 && rev->since_ms >= 0;
}

void revocations_init(struct revocations *set)
{
	map_init(&set->entries, key_of);
}

void revocations_fini(struct revocations *set)
{
	struct map_cursor cursor;
	struct map_node *node;
	map_walk(&set->entries, &cursor);
	while ((node = map_walk_next(&set->entries, &cursor)) != NULL) {
		map_remove(&set->entries, node);
		free(entry_of(node));
	}
	map_fini(&set->entries);
}

static struct entry *find(const struct revocations *set, char kind, struct bytes name)
{
	uint8_t key[KEY_MAX_LEN];
	if (name.len == 0 || name.len > REVOCATION_JTI_MAX) {
		return NULL;
	}
	key[0] = (uint8_t)kind;
	memcpy(key + 1, name.data, name.len);
	return entry_of(map_find(&set->entries, bytes_make(key, 1 + name.len)));
}

static struct entry *entry_new(char kind, struct bytes name)
{
	struct entry *e = xcalloc(1, sizeof(*e) + 1 + name.len);
	e->key_len = 1 + name.len;
	e->key[0] = (uint8_t)kind;
	memcpy(e->key + 1, name.data, name.len);
	return e;
}

static enum revocations_result lift(struct entry *e, int64_t at_ms)
{
	if (at_ms <= e->lifted_ms) {
		return REVOCATIONS_KNOWN;
	}
	e->lifted_ms = at_ms;
	e->before_s = e->since_ms <= at_ms ? 0 : e->before_s;
	return REVOCATIONS_NEWS;
}

static void keep_seal(struct entry *e, const struct revocation *rev)
{
	int64_t since_ms = e->before_s > 0 ? e->since_ms : e->lifted_ms;
	if (rev->seal.len == sizeof(e->seal) && e->before_s == rev->before_s &&
		since_ms == rev->since_ms) {
		memcpy(e->seal, rev->seal.data, sizeof(e->seal));
		e->sealed_before_s = rev->before_s;
		e->sealed_since_ms = rev->since_ms;
		e->is_sealed = true;
	}
}

static enum revocations_result unite(struct entry *e, const struct revocation *rev)
{
	if (revocation_is_lift(rev)) {
		return lift(e, rev->since_ms);
	}
	bool covered = e->before_s >= rev->before_s && e->since_ms >= rev->since_ms;
	if (covered || (e->lifted_ms > 0 && rev->since_ms <= e->lifted_ms)) {
		return REVOCATIONS_KNOWN;
	}
	e->before_s = e->before_s > rev->before_s ? e->before_s : rev->before_s;
	e->since_ms = e->since_ms > rev->since_ms ? e->since_ms : rev->since_ms;
	return REVOCATIONS_NEWS;
}

enum revocations_result revocations_add(struct revocations *set, const struct revocation *rev,
	size_t max)
{
	CHECK(revocation_valid(rev));
	char kind = rev->user.len > 0 ? 'u' : 'j';
	struct bytes name = kind == 'u' ? rev->user : rev->jti;
	struct entry *e = find(set, kind, name);
	if (e == NULL && set->entries.n_entries >= max) {
		return REVOCATIONS_FULL;
	}
	if (e == NULL) {
		e = entry_new(kind, name);
		map_insert(&set->entries, &e->node);
	}
	enum revocations_result result = unite(e, rev);
	keep_seal(e, rev);
	return result;
}

bool revocations_hit(const struct revocations *set, struct bytes user, struct bytes jti,
	int64_t issued_s)
{
	const struct entry *by_user = find(set, 'u', user);
	const struct entry *by_jti = find(set, 'j', jti);
	return (by_user != NULL && issued_s < by_user->before_s) ||
		(by_jti != NULL && issued_s < by_jti->before_s);
}

int64_t revocation_expires_ms(const struct revocation *rev, uint64_t token_life_ms)
{
	if (token_life_ms == 0 || token_life_ms > INT64_MAX / 4) {
		return 0;
	}
	// What was issued after it was made can be meant as well.
	int64_t last_ms = rev->since_ms;
	if (rev->before_s < INT64_MAX / 4000 && rev->before_s * 1000 > last_ms) {
		last_ms = rev->before_s * 1000;
	}
	return last_ms < INT64_MAX / 4 ? last_ms + (int64_t)token_life_ms : 0;
}

static struct revocation revocation_of(const struct entry *e)
{
	struct bytes name = bytes_make(e->key + 1, e->key_len - 1);
	struct bytes none = bytes_make(NULL, 0);
	int64_t since_ms = e->before_s > 0 ? e->since_ms : e->lifted_ms;
	bool is_sealed =
		e->is_sealed && e->sealed_before_s == e->before_s && e->sealed_since_ms == since_ms;
	return (struct revocation){
		.user = e->key[0] == 'u' ? name : none,
		.jti = e->key[0] == 'j' ? name : none,
		.before_s = e->before_s,
		.since_ms = since_ms,
		.seal = is_sealed ? bytes_make(e->seal, sizeof(e->seal)) : none,
	};
}

struct revocation revocations_get(const struct revocations *set, const struct revocation *rev)
{
	const struct entry *e =
		rev->user.len > 0 ? find(set, 'u', rev->user) : find(set, 'j', rev->jti);
	CHECK(e != NULL);
	return revocation_of(e);
}

bool revocations_next(const struct revocations *set, struct map_cursor *cursor,
	struct revocation *rev)
{
	const struct entry *e = entry_of(map_walk_next(&set->entries, cursor));
	if (e != NULL) {
		*rev = revocation_of(e);
	}
	return e != NULL;
}

void revocations_expire(struct revocations *set, int64_t now_ms, uint64_t token_life_ms)
{
	struct map_cursor cursor;
	struct map_node *node;
	map_walk(&set->entries, &cursor);
	while ((node = map_walk_next(&set->entries, &cursor)) != NULL) {
		struct entry *e = entry_of(node);
		struct revocation rev = revocation_of(e);
		int64_t expires_ms = revocation_expires_ms(&rev, token_life_ms);
		if (expires_ms != 0 && expires_ms <= now_ms) {
			map_remove(&set->entries, node);
			free(e);
		}
	}
}
