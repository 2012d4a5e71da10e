// A worker's answer to the router's Inquiry: what it remembers of a message, a user or a room, and
// where its members stand.
#pragma once

#include "edge/client/clients.h"

// Answers with one Testimony on `up`.
void testify(struct clients *cl, struct uplink *up, const Weir__Link__V1__Inquiry *inquiry);
