// What holds the two halves of the native JSON codec together. Others use the table codec_json.
#pragma once

#include "common/buf.h"
#include "edge/codec/codec.h"

// codec_json.encode
void codec_json_encode(struct buf *out, const struct client_event *event);
