// What the HTTP API refuses requests with: a status and a code each (proto/http.md, Refusals). Two
// tables, since the codes of commands are those of the client protocol. Pure.
#pragma once

#include "edge/codec/codec.h"

enum api_refusal {
	API_BAD_REQUEST,
	API_MISSING_TOKEN,
	API_INVALID_TOKEN,
	API_REVOKED,
	API_NOT_FOUND,
	API_METHOD_NOT_ALLOWED,
	API_TIMEOUT,
	API_LENGTH_REQUIRED,
	API_TOO_BIG,
	API_TOO_MANY, // messages of a batch
	API_URI_TOO_LONG,
	API_MEDIA_TYPE,
	API_NO_BATCH,
	API_RATE_LIMITED,
	API_HEAD_TOO_LONG,
	API_UNAVAILABLE,
	API_VERSION,
	API_REFUSAL_COUNT,
};
struct api_refusal_row {
	int status;
	const char *code;
};
const struct api_refusal_row *api_refusal_row(enum api_refusal refusal);
// The one that a status stands for which the request's head, path or method is refused with.
enum api_refusal api_refusal_of_status(int status);

// The status of what a command is refused with; its code is client_error_code().
int api_status_of(enum client_error error);
