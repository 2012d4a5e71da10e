// What a run counts. Written by the modules that judge, read by the report.
#pragma once

#include <stdint.h>

#include "common/bytes.h"

struct tally {
	uint64_t published;
	uint64_t acked;
	uint64_t refused; // error, nothing was published
	uint64_t unknown; // error or broken connection, it may have been published
	uint64_t unanswered; // none of the three

	uint64_t expected; // members of the room at each publish that was not refused
	uint64_t delivered; // messages that came, repeats included
	uint64_t recovered; // of these, by `since`
	uint64_t foreign; // of these, published by somebody else

	uint64_t lost; // missing, and nobody said so
	uint64_t announced; // missing, and the server said so
	uint64_t duplicated;
	uint64_t out_of_order;
	uint64_t stray; // of a room the client is not in, or unreadable

	uint64_t failed; // connections that never came to their room
	uint64_t closed; // connections that ended without our doing
	uint64_t reconnected;
	uint64_t restarted; // memberships that had to start over
	uint64_t cycles; // churn: connections that joined and left
};
