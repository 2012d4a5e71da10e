// The codecs there are. A new one is a row here, a value of its own in codec.h, and the subprotocol
// that asks for it (http_upgrade.c); what lies past this folder holds a number and asks for the
// table of functions.
//
// A file of its own because the codecs use codec.c, which so cannot know them.
#include "common/check.h"
#include "edge/codec/codec.h"

const struct codec *codec_of(enum codec_id id)
{
	static const struct codec *const codecs[CODEC_COUNT] = {
		[CODEC_JSON] = &codec_json,
		[CODEC_PROTO] = &codec_proto,
	};
	CHECK(id < CODEC_COUNT);
	return codecs[id];
}
