#include <errno.h>
#include <stdlib.h>

#include "common/mem.h"
#include "proto/link_items.h"
#include "proto/pb_wire.h"
#include "tests/unit/test.h"

struct example {
	struct bytes wire;
	struct pb_field field;
};
#define WIRE(text)                                                                                 \
	{                                                                                          \
		(const uint8_t *)(text), sizeof(text) - 1                                          \
	}

static void reads_each_kind_of_field(void **state)
{
	(void)state;
	static const uint8_t largest[] = { 0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0x01 };
	const struct example rows[] = {
		{ WIRE("\x08\x00"), { 1, PB_VARINT, 0, { 0 } } },
		{ WIRE("\x08\x96\x01"), { 1, PB_VARINT, 150, { 0 } } },
		{ { largest, sizeof(largest) }, { 2, PB_VARINT, UINT64_MAX, { 0 } } },
		{ WIRE("\x12\x02\x68\x69"), { 2, PB_LEN, 2, { (const uint8_t *)"hi", 2 } } },
		{ WIRE("\x12\x00"), { 2, PB_LEN, 0, { 0 } } },
		{ WIRE("\x82\x01\x81\x00\x78"), { 16, PB_LEN, 1, { (const uint8_t *)"x", 1 } } },
		{ WIRE("\x0d\x01\x02\x03\x04"), { 1, PB_FIXED32, 0, { 0 } } },
		{ WIRE("\x09\x01\x02\x03\x04\x05\x06\x07\x08"), { 1, PB_FIXED64, 0, { 0 } } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes rest = rows[i].wire;
		struct pb_field field;
		assert_int_equal(pb_field_next(&rest, &field), 1);
		assert_int_equal(field.number, rows[i].field.number);
		assert_int_equal(field.type, rows[i].field.type);
		assert_true(field.value == rows[i].field.value);
		assert_true(bytes_equal(field.data, rows[i].field.data));
		assert_int_equal(pb_field_next(&rest, &field), 0);
	}
}

static void refuses_what_is_no_field(void **state)
{
	(void)state;
	static const struct bytes rows[] = {
		WIRE("\x00\x00"), // number 0
		WIRE("\x0b"), // a group begins
		WIRE("\x0c"), // and ends
		WIRE("\x0e\x00"), // types that there are not
		WIRE("\x0f\x00"),
		WIRE("\x80\x80\x80\x80\x10\x00"), // a number past the last
		WIRE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
		WIRE("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x78"),
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes rest = rows[i];
		struct pb_field field;
		assert_int_equal(pb_field_next(&rest, &field), -EBADMSG);
	}
}

// Each beginning of each of some messages, in a block of its own size.
static void refuses_every_truncation(void **state)
{
	(void)state;
	static const struct bytes rows[] = {
		WIRE("\x88\x01\x96\x01"),
		WIRE("\x12\x02\x68\x69"),
		WIRE("\x0d\x01\x02\x03\x04"),
		WIRE("\x09\x01\x02\x03\x04\x05\x06\x07\x08"),
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t len = 1; len < rows[i].len; len++) {
			uint8_t *copy = xmemdup(rows[i].data, len);
			struct bytes rest = bytes_make(copy, len);
			struct pb_field field;
			assert_int_equal(pb_field_next(&rest, &field), -EBADMSG);
			free(copy);
		}
	}
}

// Lengths on both sides of where one more byte is needed.
static void a_message_within_has_its_length_before_it(void **state)
{
	(void)state;
	static const size_t lens[] = { 0, 1, 127, 128, 129, 16383, 16384, 1 << 20 };
	for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
		struct buf out = { 0 };
		buf_append_str(&out, "before");
		size_t begun = pb_begin(&out, 3);
		memset(buf_reserve(&out, lens[i]), 'x', lens[i]);
		out.len += lens[i];
		pb_end(&out, begun);
		pb_append_uint(&out, 4, 9);
		struct bytes rest = bytes_from(buf_bytes(&out), 6);
		struct pb_field field;
		assert_int_equal(pb_field_next(&rest, &field), 1);
		assert_int_equal(field.number, 3);
		assert_int_equal(field.data.len, lens[i]);
		for (size_t k = 0; k < lens[i]; k++) {
			assert_int_equal(field.data.data[k], 'x');
		}
		assert_int_equal(pb_field_next(&rest, &field), 1);
		assert_true(field.number == 4 && field.value == 9);
		assert_int_equal(rest.len, 0);
		buf_fini(&out);
	}
}

static void leaves_out_what_is_zero_or_empty(void **state)
{
	(void)state;
	struct buf out = { 0 };
	pb_append_uint(&out, 1, 0);
	pb_append_int(&out, 2, 0);
	pb_append_bytes(&out, 3, bytes_str(""));
	assert_int_equal(out.len, 0);
	pb_end(&out, pb_begin(&out, 4));
	assert_int_equal(out.len, 2);
	buf_fini(&out);
}

// The library is the other opinion.
static void writes_as_the_library_does(void **state)
{
	(void)state;
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	delivery.room = pb_data(bytes_str("tea"));
	delivery.seq = 300;
	delivery.timestamp_ms = -5;
	uint8_t expected[64];
	size_t len = weir__link__v1__delivery__pack(&delivery, expected);
	struct buf out = { 0 };
	const ProtobufCMessageDescriptor *d = &weir__link__v1__delivery__descriptor;
	pb_append_bytes(&out, protobuf_c_message_descriptor_get_field_by_name(d, "room")->id,
		bytes_str("tea"));
	pb_append_uint(&out, protobuf_c_message_descriptor_get_field_by_name(d, "seq")->id, 300);
	pb_append_int(&out, protobuf_c_message_descriptor_get_field_by_name(d, "timestamp_ms")->id,
		-5);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, expected, len);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_kind_of_field),
		cmocka_unit_test(refuses_what_is_no_field),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(a_message_within_has_its_length_before_it),
		cmocka_unit_test(leaves_out_what_is_zero_or_empty),
		cmocka_unit_test(writes_as_the_library_does),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
