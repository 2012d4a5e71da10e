// The client's side of permessage-deflate (RFC 7692) as far as a load generator needs it: it offers
// the extension without context takeover, inflates what comes, and sends as it is.
#pragma once

#include "common/bytes.h"
#include "common/check.h"

struct wire_inflater;

struct wire_inflater *wire_inflater_new(void);
void wire_inflater_free(struct wire_inflater *inflater); // NULL is fine
// 0 and the whole message, good until the next call; -EBADMSG if it cannot be inflated or is larger
// than `max` bytes.
MUST_CHECK int wire_inflate(struct wire_inflater *inflater, struct bytes packed, size_t max,
	struct bytes *message);
