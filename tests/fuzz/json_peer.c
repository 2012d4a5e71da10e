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
		JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
	if (tree != NULL) {
		json_decref(tree);
		return JSON_PEER_ACCEPTS;
	}
	enum json_error_code code = json_error_code(&error);
	bool beyond = code == json_error_numeric_overflow || code == json_error_null_byte_in_key;
	return beyond ? JSON_PEER_CANNOT_SAY : JSON_PEER_REFUSES;
}
