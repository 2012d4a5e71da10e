// Another parser's word on a JSON text. Behind a header of its own, because jansson.h and
// common/jscan.h use the same names.
#pragma once

#include "common/bytes.h"

enum json_peer_verdict {
	JSON_PEER_ACCEPTS,
	JSON_PEER_REFUSES,
	JSON_PEER_CANNOT_SAY, // a number that fits no double, U+0000 in a name: ours to carry
};
enum json_peer_verdict json_peer_judge(struct bytes text);
