#include "tests/fuzz/json_peer.h"

#include <jansson.h>

enum json_peer_verdict json_peer_judge(struct bytes text)
{
	// jansson 2.14 steps over a NUL behind a number or a literal.
	if (text.len > 0 && memchr(text.data, 0, text.len) != NULL) {
		return JSON_PEER_REFUSES;
	}
	json_error_t error;
	json_t *tree = json_loadb((const char *)text.data, text.len,
		JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
	if (tree != NULL) {
		json_decref(tree);
		return JSON_PEER_ACCEPTS;
	}
	return json_error_code(&error) == json_error_numeric_overflow ? JSON_PEER_OVERFLOWS
								      : JSON_PEER_REFUSES;
}
