// What happened, as a sentence and as fields: shared by the commands that tell of it.
#pragma once

#include "common/buf.h"
#include "proto/names.h"
#include "router/admin/admin_call.h"
#include "router/core/recorder.h"

// Appends one sentence for people.
void record_say(const struct recorder *rec, const struct record *record, struct buf *out);
// A word for programs: why; "" if the kind says all.
struct bytes record_reason(const struct record *record);

// Adds a field, or null if there is nothing to say.
void admin_text_field(struct admin_reply *reply, const char *name, struct bytes text);
void admin_seq_field(struct admin_reply *reply, uint64_t seq);
// `text` must last until the row ends.
void admin_epoch_field(struct admin_reply *reply, uint64_t epoch, char text[EPOCH_TEXT_MAX]);
