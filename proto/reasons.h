// The words with which one end says why, each set closed: proto/link.md lists those of GOAWAY,
// proto/client.md those of `gap` and `left`. A sender names a word by its constant, so no other is
// ever sent; a receiver may meet words of a newer peer and passes them on.
#pragma once

enum goaway_reason {
	GOAWAY_BAD_KEY,
	GOAWAY_VERSION,
	GOAWAY_DUPLICATE_NAME,
	GOAWAY_PROTOCOL,
	GOAWAY_LAGGED,
	GOAWAY_RESTARTING, // of the router
	GOAWAY_LEAVING, // of the edge
	GOAWAY_REASON_COUNT,
};

enum gap_reason {
	GAP_TRIMMED, // history no longer held the first of what was missed
	GAP_LINK, // history held nothing of it
	GAP_SLOW, // the client did not take them in time, and the room's policy is to drop
	GAP_REASON_COUNT,
};

enum left_reason {
	LEFT_UNSAID, // "": the client asked for it, or the room has no place for it after a restart
	LEFT_FORBIDDEN,
	LEFT_REASON_COUNT,
};

const char *goaway_reason_name(enum goaway_reason reason);
const char *gap_reason_name(enum gap_reason reason);
const char *left_reason_name(enum left_reason reason);
