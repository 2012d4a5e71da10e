#include <errno.h>
#include <stdlib.h>

#include "proto/link_items.h"
#include "tests/unit/test.h"

static void append_leave(struct buf *out, uint64_t client, const char *room)
{
	Weir__Link__V1__Leave leave = WEIR__LINK__V1__LEAVE__INIT;
	link_item item = WEIR__LINK__V1__ITEM__INIT;
	leave.client = client;
	leave.room = pb_data(bytes_str(room));
	item.kind_case = WEIR__LINK__V1__ITEM__KIND_LEAVE;
	item.leave = &leave;
	link_item_append(out, &item);
}

static void reads_back_each_element(void **state)
{
	(void)state;
	struct buf batch = { 0 };
	struct link_arena arena = { 0 };
	char long_name[300] = { 0 };
	memset(long_name, 'n', sizeof(long_name) - 1); // its length takes two varint bytes
	const char *rooms[] = { "a", "", long_name };
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		append_leave(&batch, i + 1, rooms[i]);
	}
	struct bytes rest = buf_bytes(&batch);
	struct bytes packed;
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		assert_int_equal(link_batch_next(&rest, &packed), 1);
		const link_item *item = link_item_unpack(&arena, packed);
		assert_non_null(item);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_LEAVE);
		assert_int_equal(item->leave->client, i + 1);
		assert_bytes_equal(pb_bytes(item->leave->room), rooms[i]);
	}
	assert_int_equal(link_batch_next(&rest, &packed), 0);
	buf_fini(&batch);
	link_arena_fini(&arena);
}

static void is_the_batch_message_of_the_schema(void **state)
{
	(void)state;
	struct buf batch = { 0 };
	append_leave(&batch, 1, "x");
	append_leave(&batch, 2, "y");
	Weir__Link__V1__Batch *whole = weir__link__v1__batch__unpack(NULL, batch.len, batch.data);
	assert_non_null(whole);
	assert_int_equal(whole->n_items, 2);
	assert_int_equal(whole->items[1]->leave->client, 2);
	weir__link__v1__batch__free_unpacked(whole, NULL);
	buf_fini(&batch);
}

// The library's bytes of one element.
static void append_by_library(struct buf *out, const link_item *item)
{
	Weir__Link__V1__Batch batch = WEIR__LINK__V1__BATCH__INIT;
	link_item copy = *item;
	link_item *items[] = { &copy };
	batch.n_items = 1;
	batch.items = items;
	size_t size = weir__link__v1__batch__get_packed_size(&batch);
	out->len += weir__link__v1__batch__pack(&batch, buf_reserve(out, size));
}

// Each field alone and all together, with values whose numbers are of every length.
static void writes_a_delivery_as_the_library_does(void **state)
{
	(void)state;
	static char text[20000];
	memset(text, 'x', sizeof(text));
	assert_int_equal(weir__link__v1__delivery__descriptor.n_fields, 11); // else it lacks one
	for (unsigned round = 0; round < 64 * 12; round++) {
		uint64_t value = UINT64_MAX >> round % 64;
		struct bytes span = bytes_make(text, value % sizeof(text));
		unsigned only = round / 64;
		Weir__Link__V1__Delivery d = WEIR__LINK__V1__DELIVERY__INIT;
		ProtobufCBinaryData *texts[] = { &d.room, &d.type, &d.from, &d.user, &d.username,
			&d.body };
		for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
			*texts[i] = pb_data(only == i || only >= 11 ? span : bytes_make(NULL, 0));
		}
		d.epoch = only == 6 || only >= 11 ? value : 0;
		d.seq = only == 7 || only >= 11 ? value : 0;
		d.timestamp_ms = only == 8 || only >= 11 ? (int64_t)value : 0;
		d.except = only == 9 || only >= 11 ? value : 0;
		d.manner = only == 10 || only >= 11 ? (uint32_t)value : 0;
		struct buf ours = { 0 };
		struct buf theirs = { 0 };
		link_item_append(&ours, &LINK_ITEM(DELIVERY, delivery, &d));
		append_by_library(&theirs, &LINK_ITEM(DELIVERY, delivery, &d));
		assert_true(bytes_equal(buf_bytes(&ours), buf_bytes(&theirs)));
		buf_fini(&ours);
		buf_fini(&theirs);
	}
}

static void knows_the_client_of_every_item_that_has_one(void **state)
{
	(void)state;
	Weir__Link__V1__Published published = WEIR__LINK__V1__PUBLISHED__INIT;
	Weir__Link__V1__ClientUp up = WEIR__LINK__V1__CLIENT_UP__INIT;
	Weir__Link__V1__Delivery delivery = WEIR__LINK__V1__DELIVERY__INIT;
	Weir__Link__V1__Drain drain = WEIR__LINK__V1__DRAIN__INIT;
	published.client = UINT64_MAX;
	up.client = 7;
	delivery.room = pb_data(bytes_str("room"));
	drain.active = true;
	assert_true(link_item_client(&LINK_ITEM(PUBLISHED, published, &published)) == UINT64_MAX);
	assert_int_equal(link_item_client(&LINK_ITEM(CLIENT_UP, client_up, &up)), 7);
	assert_int_equal(link_item_client(&LINK_ITEM(DELIVERY, delivery, &delivery)), 0);
	assert_int_equal(link_item_client(&LINK_ITEM(DRAIN, drain, &drain)), 0);
	const link_item unknown = WEIR__LINK__V1__ITEM__INIT;
	assert_int_equal(link_item_client(&unknown), 0);
}

// The field's place is a rule of the schema: a `client` elsewhere would be no client's.
static void finds_client_first_in_every_message_of_the_schema(void **state)
{
	(void)state;
	const ProtobufCMessageDescriptor *item = &weir__link__v1__item__descriptor;
	for (unsigned i = 0; i < item->n_fields; i++) {
		const ProtobufCMessageDescriptor *message = item->fields[i].descriptor;
		const ProtobufCFieldDescriptor *client =
			protobuf_c_message_descriptor_get_field_by_name(message, "client");
		assert_true(client == NULL ||
			(client->id == 1 && client->type == PROTOBUF_C_TYPE_FIXED64));
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	struct buf batch = { 0 };
	append_leave(&batch, 1, "room");
	for (size_t len = 1; len < batch.len; len++) {
		struct bytes rest = bytes_make(batch.data, len);
		struct bytes packed;
		assert_int_equal(link_batch_next(&rest, &packed), -EPROTO);
	}
	buf_fini(&batch);
}

static void refuses_what_is_no_element(void **state)
{
	(void)state;
	static const uint8_t rows[][8] = {
		{ 0x12, 0x00 }, // another field
		{ 0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01 }, // a length of too many bytes
		{ 0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f }, // a length past the end
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bytes rest = bytes_make(rows[i], sizeof(rows[i]));
		struct bytes packed;
		assert_int_equal(link_batch_next(&rest, &packed), -EPROTO);
	}
}

static void reads_a_kind_of_a_newer_version_as_none(void **state)
{
	(void)state;
	static const struct {
		uint8_t packed[6];
		size_t len;
	} rows[] = {
		{ { 0 }, 0 }, { { 0xfa, 0x07, 0x00 }, 3 }, // field 127, a message
		{ { 0xfa, 0x07, 0x02, 0x08, 0x01 }, 5 }, // with something in it
		{ { 0xf8, 0x07, 0x05 }, 3 }, // a number
	};
	struct link_arena arena = { 0 };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const link_item *item =
			link_item_unpack(&arena, bytes_make(rows[i].packed, rows[i].len));
		assert_non_null(item);
		assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND__NOT_SET);
	}
	link_arena_fini(&arena);
}

static void reads_past_fields_of_a_newer_version(void **state)
{
	(void)state;
	struct link_arena arena = { 0 };
	static const uint8_t packed[] = { 0x22, 0x0f, // a Leave
		0x09, 7, 0, 0, 0, 0, 0, 0, 0, // of client 7
		0xfa, 0x07, 0x01, 'x', // field 127
		0x10, 0x05, // request 5
		0xf8, 0x07, 0x01 }; // and one beside the Leave
	const link_item *item = link_item_unpack(&arena, bytes_make(packed, sizeof(packed)));
	assert_non_null(item);
	assert_int_equal(item->kind_case, WEIR__LINK__V1__ITEM__KIND_LEAVE);
	assert_int_equal(item->leave->client, 7);
	assert_int_equal(item->leave->req, 5);
	link_arena_fini(&arena);
}

static void refuses_an_item_that_is_cut_off(void **state)
{
	(void)state;
	struct link_arena arena = { 0 };
	static const uint8_t rows[][4] = {
		{ 0x22, 0x03, 0x10, 0x05 }, // a Leave longer than the item
		{ 0xfa, 0x07, 0x09, 0x00 }, // the same of a kind nobody knows
		{ 0x22, 0x02, 0x10, 0x85 }, // a number without an end
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_null(link_item_unpack(&arena, bytes_make(rows[i], sizeof(rows[i]))));
	}
	link_arena_fini(&arena);
}

static void refuses_an_amplification(void **state)
{
	(void)state;
	// Joined with 100,000 empty messages: 2 bytes each on the wire, a struct each in memory.
	enum {
		N = 100000
	};
	struct buf packed = { 0 };
	buf_append(&packed, "\x92\x02\xc0\x9a\x0c", 5); // field 34, length 2 * N
	for (size_t i = 0; i < N; i++) {
		buf_append(&packed, "\x42\x00", 2); // field 8
	}
	struct link_arena arena = { 0 };
	assert_null(link_item_unpack(&arena, buf_bytes(&packed)));
	assert_true(arena.overflow_bytes <= packed.len * 32 + 8192);
	link_arena_fini(&arena);
	buf_fini(&packed);
}

static void allocates_nothing_once_warm(void **state)
{
	(void)state;
	struct buf batch = { 0 };
	struct link_arena arena = { 0 };
	append_leave(&batch, 1, "room");
	for (int i = 0; i < 3; i++) {
		struct bytes rest = buf_bytes(&batch);
		struct bytes packed;
		assert_int_equal(link_batch_next(&rest, &packed), 1);
		assert_non_null(link_item_unpack(&arena, packed));
	}
	assert_null(arena.overflow);
	buf_fini(&batch);
	link_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back_each_element),
		cmocka_unit_test(is_the_batch_message_of_the_schema),
		cmocka_unit_test(writes_a_delivery_as_the_library_does),
		cmocka_unit_test(knows_the_client_of_every_item_that_has_one),
		cmocka_unit_test(finds_client_first_in_every_message_of_the_schema),
		cmocka_unit_test(refuses_every_truncation),
		cmocka_unit_test(refuses_what_is_no_element),
		cmocka_unit_test(reads_a_kind_of_a_newer_version_as_none),
		cmocka_unit_test(reads_past_fields_of_a_newer_version),
		cmocka_unit_test(refuses_an_item_that_is_cut_off),
		cmocka_unit_test(refuses_an_amplification),
		cmocka_unit_test(allocates_nothing_once_warm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
