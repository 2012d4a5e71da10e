// What a client's messages do: each is decoded, held against limits and rights, and then answered at
// once or asked of the router. What the router answers comes back through answer.h.
#pragma once

#include "common/bytes.h"

struct conn;

// One message of an open connection, valid UTF-8 if it came as text.
void conn_command(struct conn *c, struct bytes message);
// Joins the rooms that a connection is in without asking: its user's own and the lobby.
void conn_autojoin(struct conn *c);
