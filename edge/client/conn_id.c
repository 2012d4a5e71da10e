// What a connection is called, by clients, by routers and in the log.

#include "common/clock.h"
#include "edge/client/conn_parts.h"
#include "edge/client/turn.h"
#include "edge/state/edge.h"

struct bytes conn_client_id(const struct conn *c, char out[CLIENT_ID_MAX])
{
	int len = snprintf(out, CLIENT_ID_MAX, "%s-%llu", turn_of(c)->edge->instance,
		(unsigned long long)c->number);
	CHECK(len > 0 && len < CLIENT_ID_MAX);
	return bytes_make(out, (size_t)len);
}

struct bytes conn_address(const struct conn *c, char out[NET_IP_TEXT_MAX])
{
	net_ip_format(&c->address, out);
	return bytes_str(out);
}

// Not kept but reckoned: whoever sets the clock means the past as well.
int64_t conn_since_wall_ms(const struct conn *c)
{
	return clock_wall_ms() - (int64_t)(turn_client_ms(turn_of(c)) - c->opened_ms);
}

struct rights_subject conn_subject(const struct conn *c)
{
	return (struct rights_subject){
		.user = bytes_str(c->identity.user),
		.admin = c->identity.admin,
		.rights = c->identity.rights,
	};
}
