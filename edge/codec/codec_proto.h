// What holds the two halves of the binary codec together. Others use the table codec_proto.
#pragma once

#include "common/buf.h"
#include "edge/codec/codec.h"

// codec_proto.encode
void codec_proto_encode(struct buf *out, const struct client_event *event);
