// Rows of an answer as JSON, one object each: what `weirctl --json` and the operators' page show.
#pragma once

#include "admin.pb-c.h"
#include "common/buf.h"

// Appends text as a JSON string.
void admin_json_text(struct buf *out, ProtobufCBinaryData text);
// Appends the row as an object, all fields in order, null where there is no value.
void admin_json_row(struct buf *out, const Weir__Admin__V1__Row *row);
