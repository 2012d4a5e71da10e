// Values of an answer's fields as text for people.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "admin.pb-c.h"
#include "common/buf.h"

// Text for people: what could command a terminal is replaced.
void print_text(struct buf *out, ProtobufCBinaryData text);
// A value for people; of times the date, in UTC.
void print_value(struct buf *out, const Weir__Admin__V1__Field *field);
// True for what is a number to people, also as JSON.
bool print_is_number(const Weir__Admin__V1__Field *field);
// `n` spaces.
void print_space(struct buf *out, size_t n);
