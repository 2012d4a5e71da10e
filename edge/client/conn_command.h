// What a client does: it is announced, its messages are decoded, held against limits and rights,
// and then answered at once or asked of the router. What the router answers comes back through
// answer.h.
#pragma once

#include "common/bytes.h"
#include "common/net_ip.h"
#include "edge/uplink/uplink.h"
#include "proto/names.h"

struct command;
struct conn;

// One message of an open connection, valid UTF-8 if it came as text.
void conn_command(struct conn *c, struct bytes message);

// One command, whoever decoded it. What it comes to is an event of the connection, now or later.
void conn_run_command(struct conn *c, const struct command *command);

// A new token for an open connection: its rights apply at once, or the connection is closed. `id`
// is of the message that brought it.
void client_renew(struct conn *c, struct bytes token, struct bytes id);
// Counts `n` more requests of this kind as not answered yet; `recovery`: their answers may be
// large.
void client_count_requests(struct conn *c, enum command_kind kind, bool recovery, int n);
// Tells the routers who it is, also when it has renewed its token.
void client_announce(struct conn *c);
// The same facts; the two arrays hold texts of theirs.
struct announcement client_announcement(const struct conn *c, char id[CLIENT_ID_MAX],
	char address[NET_IP_TEXT_MAX]);
// Joins the rooms that a connection is in without asking: its user's own and the lobby.
void client_autojoin(struct conn *c);
// Takes a connection that has ended out of its rooms and notifies the routers.
void client_on_left(struct conn *c);
