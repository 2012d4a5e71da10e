// Whether the speaker holds a key is settled before this is called and whether the name is free
// after it: here is only what can be said of the bytes alone, so that all of it can be fed
// anything. It knows no connection, no clock and no other edge.
//
// Fields that are missing have their default, an empty span whose data is NULL; so each span is
// asked for its length before anything looks into it.
//
// A mask may have bits that a newer edge knows and we do not; they are dropped, since a right
// nobody here asks for grants nothing. An unknown policy for the lobby is refused instead: taking
// it for another one could open the lobby to those it keeps out.

#include "router/link/edge_hello.h"

#include "proto/link_frame.h"
#include "proto/link_hello.h"
#include "proto/link_items.h"
#include "proto/names.h"

static bool version_is_sane(struct bytes version)
{
	return version.len <= LINK_NAME_MAX &&
		(version.len == 0 || memchr(version.data, '\0', version.len) == NULL);
}

static bool edges_are_sane(const Weir__Link__V1__Hello *hello)
{
	bool sane = hello->n_edges <= LINK_EDGES_MAX;
	for (size_t i = 0; i < hello->n_edges && sane; i++) {
		sane = link_name_valid(pb_bytes(hello->edges[i]));
	}
	return sane;
}

// A window smaller than the largest frame would never let that frame through.
static bool is_sane(const Weir__Link__V1__Hello *hello)
{
	return link_name_valid(pb_bytes(hello->name)) && hello->boot.len == LINK_BOOT_LEN &&
		hello->window_bytes >= LINK_HEAD_LEN + LINK_BODY_MAX &&
		version_is_sane(pb_bytes(hello->version)) && hello->lobby.len <= ROOM_NAME_MAX &&
		hello->lobby_publish <= LOBBY_PUBLISH_NONE && edges_are_sane(hello);
}

static bool copy_policy(const Weir__Link__V1__Hello *hello, struct rights_policy *policy)
{
	policy->defaults = rights_new();
	policy->lobby = pb_bytes(hello->lobby);
	policy->lobby_publish = (enum lobby_publish)hello->lobby_publish;
	for (size_t i = 0; i < hello->n_default_rights; i++) {
		const Weir__Link__V1__Right *right = hello->default_rights[i];
		if (!rights_add(policy->defaults, right->mask & RIGHT_ALL,
			    pb_bytes(right->pattern))) {
			return false;
		}
	}
	return true;
}

bool edge_hello_unpack(struct edge_hello *hello, struct bytes packed)
{
	*hello = (struct edge_hello){
		.message = weir__link__v1__hello__unpack(NULL, packed.len, packed.data),
	};
	if (hello->message == NULL || !is_sane(hello->message) ||
		!copy_policy(hello->message, &hello->policy)) {
		edge_hello_fini(hello);
		return false;
	}
	return true;
}

void edge_hello_fini(struct edge_hello *hello)
{
	weir__link__v1__hello__free_unpacked(hello->message, NULL);
	rights_unref(hello->policy.defaults);
	*hello = (struct edge_hello){ 0 };
}
