// The messages of clients, one row each. Every list, enumeration and table of them follows from
// these rows: names, metric labels, what both codecs read and write, what asks the router for what,
// and which of the router's functions it comes to. A list is a macro; its argument says what
// becomes of a row, and the place that expands it defines what the columns mean there.
#pragma once

// Types that the client protocol names, in the order of the metric labels: name, text. A client may
// send those that a command has, and `typing`.
#define CLIENT_TYPES(X)                                                                            \
	X(OTHER, "other") /* as a label: all that is not named */                                  \
	X(TYPING, "typing")                                                                        \
	X(JOIN, "join")                                                                            \
	X(LEAVE, "leave")                                                                          \
	X(DIRECT, "direct")                                                                        \
	X(HISTORY, "history")                                                                      \
	X(PRESENCE, "presence")                                                                    \
	X(AUTH, "auth")                                                                            \
	X(PING, "ping")                                                                            \
	X(ADMIN_BROADCAST, "admin:broadcast")                                                      \
	X(CONNECTED, "connected")                                                                  \
	X(JOINED, "joined")                                                                        \
	X(LEFT, "left")                                                                            \
	X(ACK, "ack")                                                                              \
	X(MEMBER_JOIN, "member:join")                                                              \
	X(MEMBER_LEAVE, "member:leave")                                                            \
	X(TOKEN_EXPIRING, "token:expiring")                                                        \
	X(GAP, "gap")                                                                              \
	X(PONG, "pong")                                                                            \
	X(ERROR, "error")

// What clients ask: name, its type (OTHER: it brings its own, or has none), what a record says of
// it, number in ClientMessage (client.proto; 0: of the HTTP API alone), what one needs for it, what
// asks the router for it (BY_ITEM: kind, field, and whether it is asked again in a new session;
// else BY_EDGE), and its arguments (enum command_arg) in the order of their numbers.
#define CLIENT_COMMANDS(X)                                                                         \
	X(JOIN, JOIN, "join", 2, RIGHT(JOIN), BY_ITEM(JOIN, join, AGAIN), ARG_ROOM, ARG_SINCE,     \
		ARG_PRESENCE, ARG_PATTERN)                                                         \
	X(LEAVE, LEAVE, "leave", 3, NOTHING, BY_ITEM(LEAVE, leave, AGAIN), ARG_ROOM, ARG_PATTERN)  \
	X(PUBLISH, OTHER, "publish", 4, RIGHT(PUBLISH), BY_ITEM(PUBLISH, publish, IF_KEPT),        \
		ARG_ROOM, ARG_TYPE, ARG_BODY, ARG_KEY, ARG_NO_ECHO, ARG_EPHEMERAL)                 \
	X(DIRECT, DIRECT, "publish", 5, RIGHT(PUBLISH), BY_ITEM(PUBLISH, publish, IF_KEPT),        \
		ARG_TO, ARG_BODY, ARG_KEY)                                                         \
	X(HISTORY, HISTORY, "history", 6, RIGHT(HISTORY),                                          \
		BY_ITEM(HISTORY_REQUEST, history_request, LARGE), ARG_ROOM, ARG_BEFORE, ARG_LIMIT) \
	X(PRESENCE, PRESENCE, "presence", 7, RIGHT(PRESENCE),                                      \
		BY_ITEM(PRESENCE_REQUEST, presence_request, LARGE), ARG_ROOM)                      \
	X(AUTH, AUTH, "auth", 8, NOTHING, BY_EDGE, ARG_TOKEN)                                      \
	X(PING, PING, "ping", 9, NOTHING, BY_EDGE, ARG_NONE)                                       \
	X(BROADCAST, ADMIN_BROADCAST, "broadcast", 10, ADMIN, BY_ITEM(BROADCAST, broadcast, ONCE), \
		ARG_BODY)                                                                          \
	X(DISCONNECT, OTHER, "disconnect", 0, ADMIN, BY_ITEM(DISCONNECT, disconnect, AGAIN),       \
		ARG_NONE)

// What clients are sent: name, its type (OTHER: it brings its own, or has none), number in
// ServerMessage (0: of the HTTP API alone), and its parts (enum event_part) in the order of JSON,
// with their numbers.
#define CLIENT_EVENTS(X)                                                                           \
	X(CONNECTED, CONNECTED, 2, P(CLIENT_ID, 1), P(USER, 2), P(USERNAME, 3), P(ROLES, 4),       \
		P(TIMESTAMP, 5), P(HEARTBEAT, 6), P(SESSION, 8), P(MAX_MESSAGE, 9))                \
	X(JOINED, JOINED, 3, P(ROOM, 1), P(PATTERN, 7), P(POSITION, 2), P(RECOVERED, 4),           \
		P(MEMBERS, 5), P(MESSAGES, 6), P(ID, 0))                                           \
	X(LEFT, LEFT, 4, P(ROOM, 1), P(PATTERN, 3), P(REASON, 2), P(ID, 0))                        \
	X(MESSAGE, OTHER, 5, P(PUBLISHED, 1))                                                      \
	X(ACK, ACK, 6, P(ID, 0), P(ROOM, 1), P(PUBLISHED_POSITION, 2), P(TIMESTAMP, 4),            \
		P(MEMBERS, 5), P(DUPLICATE, 6))                                                    \
	X(HISTORY, HISTORY, 7, P(ROOM, 1), P(POSITION, 2), P(MESSAGES, 4), P(ID, 0))               \
	X(PRESENCE, PRESENCE, 8, P(ROOM, 1), P(USERS, 2), P(CONNECTIONS, 3), P(PRESENT, 4),        \
		P(ID, 0))                                                                          \
	X(MEMBER_JOIN, MEMBER_JOIN, 9, P(ROOM, 1), P(USER, 2), P(USERNAME, 3))                     \
	X(MEMBER_LEAVE, MEMBER_LEAVE, 10, P(ROOM, 1), P(USER, 2), P(USERNAME, 3))                  \
	X(TOKEN_EXPIRING, TOKEN_EXPIRING, 11, P(EXPIRES_IN, 1))                                    \
	X(GAP, GAP, 12, P(ROOM, 1), P(EPOCH, 2), P(FROM_SEQ, 3), P(TO_SEQ, 4), P(REASON, 5))       \
	X(PONG, PONG, 13, P(TIMESTAMP, 1), P(ID, 0))                                               \
	X(ERROR, ERROR, 14, P(CODE, 1), P(TEXT, 2), P(ID, 0), P(ROOM, 3), P(PATTERN, 8),           \
		P(NEEDS, 7), P(OUTCOME, 4), P(LIMIT, 5), P(AFTER, 6))                              \
	X(DISCONNECTED, OTHER, 0, P(CLOSED, 0))

// The items that ask the router: kind, message, name of its descriptor and of the router's function
// (route_on_...), and where it names a room (IN_ROOM) or that it does not.
#define LINK_REQUESTS(X)                                                                           \
	X(JOIN, Join, join, IN_ROOM(Join))                                                         \
	X(LEAVE, Leave, leave, IN_ROOM(Leave))                                                     \
	X(PUBLISH, Publish, publish, IN_ROOM(Publish))                                             \
	X(PRESENCE_REQUEST, PresenceRequest, presence_request, IN_ROOM(PresenceRequest))           \
	X(HISTORY_REQUEST, HistoryRequest, history_request, IN_ROOM(HistoryRequest))               \
	X(BROADCAST, Broadcast, broadcast, NO_ROOM)                                                \
	X(DISCONNECT, Disconnect, disconnect, NO_ROOM)
