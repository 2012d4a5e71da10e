// Tables rather than literals where each word is sent: the pages of the protocols are compared with
// them (tests/wire_words.c), and a word that only a rare path sends is not missed. Numbers on the
// wire instead of words were rejected: an operator reads them in the log of an older peer.
#include "proto/reasons.h"

#include "common/check.h"

const char *goaway_reason_name(enum goaway_reason reason)
{
	static const char *const names[GOAWAY_REASON_COUNT] = {
		[GOAWAY_BAD_KEY] = "bad_key",
		[GOAWAY_VERSION] = "version",
		[GOAWAY_DUPLICATE_NAME] = "duplicate_name",
		[GOAWAY_PROTOCOL] = "protocol",
		[GOAWAY_LAGGED] = "lagged",
		[GOAWAY_RESTARTING] = "restarting",
		[GOAWAY_LEAVING] = "leaving",
	};
	CHECK(reason < GOAWAY_REASON_COUNT);
	return names[reason];
}

const char *gap_reason_name(enum gap_reason reason)
{
	static const char *const names[GAP_REASON_COUNT] = {
		[GAP_TRIMMED] = "trimmed",
		[GAP_LINK] = "link",
		[GAP_SLOW] = "slow",
	};
	CHECK(reason < GAP_REASON_COUNT);
	return names[reason];
}

const char *left_reason_name(enum left_reason reason)
{
	static const char *const names[LEFT_REASON_COUNT] = {
		[LEFT_UNSAID] = "",
		[LEFT_FORBIDDEN] = "forbidden",
	};
	CHECK(reason < LEFT_REASON_COUNT);
	return names[reason];
}
