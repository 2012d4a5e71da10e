// An edge that has a key takes only a router that proves it: one that asks for no key, or cannot
// sign with this one, is another program at the same address. The HELLO announces what the router
// decides by for this edge's clients: default rights, lobby, the life of tokens.

#include "edge/uplink/router_hello.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/random.h"
#include "edge/uplink/siblings.h"
#include "proto/link_items.h"
#include "proto/policy/rights.h"

#define WRONG_VERSION "version: mixed old and new programs?"

// One block for the pointers and what they point to, freed by `hello->default_rights`.
static void fill_rights(Weir__Link__V1__Hello *hello, const struct rights_policy *policy)
{
	size_t n = policy->defaults != NULL ? rights_count(policy->defaults) : 0;
	Weir__Link__V1__Right **refs = xcalloc(n, sizeof(refs[0]) + sizeof(refs[0][0]));
	Weir__Link__V1__Right *rights = (Weir__Link__V1__Right *)(void *)(refs + n);
	for (size_t i = 0; i < n; i++) {
		unsigned mask;
		weir__link__v1__right__init(&rights[i]);
		rights[i].pattern = pb_data(rights_at(policy->defaults, i, &mask));
		rights[i].mask = mask;
		refs[i] = &rights[i];
	}
	hello->n_default_rights = n;
	hello->default_rights = refs;
}

static void fill_offer(Weir__Link__V1__Hello *hello, const struct link_session *session)
{
	struct link_offer offer = link_offer_make(session);
	hello->session = offer.session;
	hello->down_next = offer.down_next;
	hello->up_oldest = offer.up_oldest;
	hello->up_next = offer.up_next;
	hello->window_bytes = (uint32_t)offer.window_bytes;
}

static void pack_hello(const struct router_hello *self, const struct link_session *session,
	struct buf *out)
{
	Weir__Link__V1__Hello hello = WEIR__LINK__V1__HELLO__INIT;
	hello.major = LINK_MAJOR;
	hello.minor = LINK_MINOR;
	hello.testifies = true;
	hello.ids_of_boot = true;
	hello.name = pb_data(bytes_str(self->name));
	hello.boot = pb_data(bytes_make(self->boot, LINK_BOOT_LEN));
	fill_offer(&hello, session);
	hello.version = pb_data(bytes_str(WEIR_VERSION));
	fill_rights(&hello, self->policy);
	hello.lobby = pb_data(self->policy->lobby);
	hello.lobby_publish = (uint32_t)self->policy->lobby_publish;
	hello.jwt_max_lifetime_ms = self->token_life_ms;
	hello.workers = self->n_workers;
	siblings_fill_hello(self->siblings, &hello);
	uint8_t *at = buf_reserve(out, weir__link__v1__hello__get_packed_size(&hello));
	out->len += weir__link__v1__hello__pack(&hello, at);
	free(hello.edges);
	free(hello.default_rights);
}

static const char *refuse_challenge(const struct router_hello *self,
	const Weir__Link__V1__Challenge *challenge)
{
	if (challenge == NULL || challenge->nonce.len != LINK_NONCE_LEN) {
		return "malformed challenge";
	}
	if (!link_version_fits(challenge->major, challenge->minor)) {
		return WRONG_VERSION;
	}
	if (!challenge->key_required && self->key.len > 0) {
		return "bad_key: the router has none";
	}
	return NULL;
}

const char *router_hello_answer(const struct router_hello *self, struct bytes packed,
	const struct link_session *session, struct link_nonces *nonces, struct buf *message)
{
	Weir__Link__V1__Challenge *challenge =
		weir__link__v1__challenge__unpack(NULL, packed.len, packed.data);
	const char *why = refuse_challenge(self, challenge);
	if (why == NULL) {
		struct buf hello = { 0 };
		memcpy(nonces->router, challenge->nonce.data, LINK_NONCE_LEN);
		random_fill(nonces->edge, LINK_NONCE_LEN);
		pack_hello(self, session, &hello);
		link_sign(message, LINK_ROLE_EDGE, self->key, nonces, buf_bytes(&hello));
		buf_fini(&hello);
	}
	if (challenge != NULL) {
		weir__link__v1__challenge__free_unpacked(challenge, NULL);
	}
	return why;
}

Weir__Link__V1__HelloAck *router_hello_check_ack(const struct router_hello *self,
	struct bytes packed, struct link_nonces *nonces, const char **why)
{
	struct buf body = { 0 };
	size_t key_index;
	Weir__Link__V1__HelloAck *ack = NULL;
	if (!link_verify(packed, LINK_ROLE_ROUTER, &self->key, self->key.len > 0 ? 1 : 0, nonces,
		    &key_index, &body)) {
		*why = "bad_key: the router does not have this edge's key";
	} else {
		ack = weir__link__v1__hello_ack__unpack(NULL, body.len, body.data);
		*why = "malformed hello_ack";
	}
	if (ack != NULL && !link_version_fits(ack->major, ack->minor)) {
		weir__link__v1__hello_ack__free_unpacked(ack, NULL);
		ack = NULL;
		*why = WRONG_VERSION;
	}
	buf_fini(&body);
	return ack;
}
