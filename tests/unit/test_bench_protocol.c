#include <stdlib.h>

#include "common/check.h"
#include "common/mem.h"
#include "proto/pb_wire.h"
#include "tests/bench/protocol.h"
#include "tests/unit/json_text.h"
#include "tests/unit/test.h"

static const struct bench_protocol *const weir = &protocol_weir;

static const char delivery[] =
	"{\"type\":\"chat\",\"room\":\"r-1\",\"from\":\"c9\",\"user\":\"u\",\"epoch\":\"e5\","
	"\"seq\":42,\"timestamp\":1700000000000,\"n\":8589934599,\"pad\":\"xxxx\"}";

static struct incoming read_text(const char *text)
{
	struct incoming in;
	weir->read(bytes_str(text), &in);
	return in;
}

static void reads_a_delivery(void **state)
{
	(void)state;
	struct incoming in = read_text(delivery);
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_bytes_equal(in.room, "r-1");
	assert_bytes_equal(in.epoch, "e5");
	assert_int_equal(in.seq, 42);
	assert_int_equal(in.number, 8589934599);
}

static void finds_members_in_any_order_and_with_white_space(void **state)
{
	(void)state;
	struct incoming in = read_text(" { \"n\" : 7 ,\t\"pad\":\"\\\"seq\\\":9\", \"seq\" : 3\n,"
				       "\"epoch\":\"e\",\"room\":\"r\" , \"type\":\"news\" } ");
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_int_equal(in.number, 7);
	assert_int_equal(in.seq, 3);
	assert_bytes_equal(in.epoch, "e");
	assert_bytes_equal(in.room, "r");
}

static void is_not_misled_by_what_is_nested_or_quoted(void **state)
{
	(void)state;
	struct incoming in = read_text("{\"type\":\"chat\",\"room\":\"r\",\"username\":"
				       "\"\\\",\\\"seq\\\":99,\\\"n\\\":99}\",\"x\":{\"seq\":98,"
				       "\"n\":98,\"y\":[{\"epoch\":\"]}\"}]},\"epoch\":\"e\","
				       "\"seq\":1,\"n\":2}");
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_int_equal(in.seq, 1);
	assert_int_equal(in.number, 2);
	assert_bytes_equal(in.epoch, "e");
}

static void looks_at_nothing_behind_the_number(void **state)
{
	(void)state;
	struct incoming in = read_text("{\"type\":\"chat\",\"room\":\"r\",\"epoch\":\"e\","
				       "\"seq\":1,\"n\":2,\"pad\":\"never closed");
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_int_equal(in.number, 2);
}

static void takes_a_foreign_message_without_number(void **state)
{
	(void)state;
	struct incoming in = read_text("{\"type\":\"chat\",\"room\":\"r\",\"epoch\":\"e\","
				       "\"seq\":5,\"text\":\"hello\",\"n\":\"many\"}");
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_int_equal(in.seq, 5);
	assert_int_equal(in.number, 0);
}

static void knows_what_the_server_says(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum incoming_kind kind;
	} rows[] = {
		{ "{\"type\":\"connected\",\"clientId\":\"c\",\"roles\":[],\"session\":{}}",
			INCOMING_OTHER },
		{ "{\"type\":\"left\",\"room\":\"r\"}", INCOMING_OTHER },
		{ "{\"type\":\"pong\",\"timestamp\":1}", INCOMING_OTHER },
		{ "{\"type\":\"member:join\",\"room\":\"r\",\"user\":\"u\"}", INCOMING_OTHER },
		{ "{\"type\":\"history\",\"room\":\"r\",\"epoch\":\"e\",\"seq\":4,\"messages\":[]}",
			INCOMING_OTHER },
		{ "{\"type\":\"typing\",\"room\":\"r\",\"from\":\"c\"}", INCOMING_OTHER },
		{ "{\"type\":\"joined\",\"room\":\"r\",\"epoch\":\"e\",\"seq\":4}",
			INCOMING_JOINED },
		{ "{\"type\":\"ack\",\"id\":3}", INCOMING_ACK },
		{ "{\"type\":\"error\",\"code\":\"limit\"}", INCOMING_ERROR },
		{ "{\"type\":\"gap\",\"room\":\"r\",\"from\":3,\"to\":5}", INCOMING_GAP },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(read_text(rows[i].text).kind, rows[i].kind);
	}
}

static void reads_answers(void **state)
{
	(void)state;
	struct incoming in = read_text("{\"type\":\"ack\",\"id\":17,\"room\":\"r\",\"epoch\":\"e\","
				       "\"seq\":4,\"timestamp\":1,\"members\":2}");
	assert_true(in.has_id);
	assert_int_equal(in.number, 17);
	assert_int_equal(in.seq, 4);

	in = read_text("{\"type\":\"error\",\"code\":\"unavailable\",\"message\":\"m\","
		       "\"outcome\":\"unknown\",\"id\":18}");
	assert_int_equal(in.number, 18);
	assert_bytes_equal(in.code, "unavailable");
	assert_true(in.outcome_unknown);

	in = read_text("{\"type\":\"error\",\"code\":\"unavailable\",\"outcome\":\"none\"}");
	assert_false(in.has_id);
	assert_false(in.outcome_unknown);

	in = read_text("{\"type\":\"gap\",\"room\":\"r\",\"epoch\":\"e\",\"from\":3,\"to\":5,"
		       "\"reason\":\"slow\"}");
	assert_int_equal(in.from, 3);
	assert_int_equal(in.to, 5);
}

static void walks_the_missed_messages_of_a_recovery(void **state)
{
	(void)state;
	struct incoming in = read_text(
		"{\"type\":\"joined\",\"room\":\"r\",\"epoch\":\"e\",\"seq\":9,\"recovered\":true,"
		"\"members\":1,\"messages\":[{\"type\":\"chat\",\"room\":\"r\",\"epoch\":\"e\","
		"\"seq\":8,\"n\":1,\"pad\":\"]\"},{\"type\":\"chat\",\"room\":\"r\","
		"\"epoch\":\"e\",\"seq\":9,\"n\":2}],\"id\":0}");
	assert_int_equal(in.kind, INCOMING_JOINED);
	assert_true(in.recovered);
	assert_true(in.has_id);
	struct bytes rest = in.messages;
	for (uint64_t i = 1; i <= 2; i++) {
		struct incoming missed;
		assert_true(weir->next_missed(&rest, &missed));
		assert_int_equal(missed.kind, INCOMING_DELIVERY);
		assert_int_equal(missed.seq, 7 + i);
		assert_int_equal(missed.number, i);
	}
	struct incoming none;
	assert_false(weir->next_missed(&rest, &none));
}

static void walks_no_missed_messages(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "[]", " [ ] ", "x" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct bytes rest = bytes_str(texts[i]);
		struct incoming in;
		assert_false(weir->next_missed(&rest, &in));
	}
}

static void stops_at_a_broken_missed_message(void **state)
{
	(void)state;
	struct bytes rest = bytes_str("[{\"type\":\"chat\",\"seq\":1},{\"type\":");
	struct incoming in;
	assert_true(weir->next_missed(&rest, &in));
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_true(weir->next_missed(&rest, &in));
	assert_int_equal(in.kind, INCOMING_BROKEN);
	assert_false(weir->next_missed(&rest, &in));
}

static void reports_broken_messages(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "x", "[]", "{", "{}", "{\"seq\":1}",
		"{\"type\":\"ack\"", "{\"type\":\"ack\",}", "{\"type\" \"ack\"}", "{\"type\":}",
		"{\"type\":\"ack\",\"x\":[}", "{\"type\":\"ack\\", "{\"type\":\"ack\"]" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(read_text(texts[i]).kind, INCOMING_BROKEN);
	}
}

// Cut anywhere, in a copy of exactly that length, so that the sanitizer sees a byte read past it.
static void reads_no_byte_past_a_message_cut_anywhere(void **state)
{
	(void)state;
	const char *number_end = strstr(delivery, ",\"pad\"");
	for (size_t len = 1; len < sizeof(delivery) - 1; len++) {
		uint8_t *copy = xmemdup(delivery, len);
		struct incoming in;
		weir->read(bytes_make(copy, len), &in);
		bool complete = delivery + len > number_end;
		assert_int_equal(in.kind, complete ? INCOMING_DELIVERY : INCOMING_BROKEN);
		free(copy);
	}
}

static void takes_only_plain_integers_for_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t seq;
	} rows[] = {
		{ "{\"seq\":9007199254740991,\"type\":\"ack\"}", 9007199254740991 },
		{ "{\"seq\":0,\"type\":\"ack\"}", 0 },
		{ "{\"seq\":-1,\"type\":\"ack\"}", 0 },
		{ "{\"seq\":1.5,\"type\":\"ack\"}", 0 },
		{ "{\"seq\":1e3,\"type\":\"ack\"}", 0 },
		{ "{\"seq\":99999999999999999999999999,\"type\":\"ack\"}", 0 },
		{ "{\"seq\":null,\"type\":\"ack\"}", 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct incoming in = read_text(rows[i].text);
		assert_int_equal(in.kind, INCOMING_ACK);
		assert_int_equal(in.seq, rows[i].seq);
	}
}

static void writes_a_publish_of_the_size_asked_for(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 64, 100, 128, 1000, 100000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct buf out = { 0 };
		weir->publish(&out, "room-1", 8589934599, sizes[i]);
		enum jscan_kind kind;
		assert_true(json_text_valid(buf_bytes(&out), &kind));
		assert_int_equal(kind, JSCAN_OBJECT);
		if (sizes[i] >= 100) {
			assert_int_equal(out.len, sizes[i]);
		}
		// What the server sends on of it.
		struct incoming in;
		weir->read(buf_bytes(&out), &in);
		assert_bytes_equal(in.room, "room-1");
		assert_int_equal(in.number, 8589934599);
		buf_fini(&out);
	}
}

static void asks_for_what_was_missed_only_with_a_position(void **state)
{
	(void)state;
	struct buf out = { 0 };
	weir->join(&out, "r", (struct position){ 0 });
	assert_bytes_equal(buf_bytes(&out), "{\"type\":\"join\",\"id\":0,\"room\":\"r\"}");
	buf_reset(&out, 0);
	weir->join(&out, "r", (struct position){ .epoch = bytes_str("e5"), .seq = 42 });
	assert_bytes_equal(buf_bytes(&out),
		"{\"type\":\"join\",\"id\":0,\"room\":\"r\","
		"\"since\":{\"epoch\":\"e5\",\"seq\":42}}");
	buf_reset(&out, 0);
	weir->target(&out, bytes_str("a.b.c"));
	assert_bytes_equal(buf_bytes(&out), "/?autojoin=0&token=a.b.c");
	buf_fini(&out);
}

static void follows_the_advice_of_a_close(void **state)
{
	(void)state;
	static const struct {
		unsigned code;
		const char *reason;
		const char *word;
		bool reconnect;
		bool has_delay;
		uint32_t min, max;
	} rows[] = {
		{ 1012, "{\"reason\":\"restart\",\"reconnect\":true,\"after\":[100,5000]}",
			"restart", true, true, 100, 5000 },
		{ 4004, "{\"reason\":\"revoked\",\"reconnect\":false}", "revoked", false, false, 0,
			0 },
		{ 4008, "{\"reason\":\"slow_consumer\",\"reconnect\":true,\"after\":[20000,500]}",
			"slow_consumer", true, false, 0, 0 },
		{ 4008, "{\"after\":[1],\"reason\":\"x\",\"reconnect\":true}", "x", true, false, 0,
			0 },
		{ 1005, "", "", true, false, 0, 0 },
		{ 1012, "bye", "", true, false, 0, 0 },
		{ 1008, "", "", false, false, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct advice advice;
		weir->read_close(rows[i].code, bytes_str(rows[i].reason), &advice);
		assert_int_equal(advice.reconnect, rows[i].reconnect);
		assert_int_equal(advice.has_delay, rows[i].has_delay);
		assert_int_equal(advice.delay_min_ms, rows[i].min);
		assert_int_equal(advice.delay_max_ms, rows[i].max);
		assert_bytes_equal(advice.reason, rows[i].word);
	}
}

// ---- NATS

static const struct bench_protocol *const nats = &protocol_nats;

static const char nats_frame[] = "INFO {\"a\":1}\r\nMSG room-1 1 12\r\n{\"n\":17,\"p\"}\r\nPONG\r\n"
				 "PING\r\n-ERR 'no'\r\n+OK\r\n";

static void takes_a_frame_of_nats_apart(void **state)
{
	(void)state;
	static const enum incoming_kind kinds[] = {
		INCOMING_OTHER,
		INCOMING_DELIVERY,
		INCOMING_JOINED,
		INCOMING_OTHER,
		INCOMING_ERROR,
		INCOMING_BROKEN,
	};
	struct bytes rest = bytes_str(nats_frame);
	struct bytes message;
	size_t n = 0;
	while (nats->take(&rest, &message)) {
		struct incoming in;
		assert_true(n < ARRAY_LEN(kinds));
		nats->read(message, &in);
		assert_int_equal(in.kind, kinds[n]);
		if (in.kind == INCOMING_DELIVERY) {
			assert_bytes_equal(in.room, "room-1");
			assert_int_equal(in.number, 17);
		}
		n++;
	}
	assert_int_equal(n, ARRAY_LEN(kinds));
}

// Whatever is missing at the end, nothing is read behind it, and no part counts as a delivery.
static void reads_no_part_of_a_nats_message_as_a_delivery(void **state)
{
	(void)state;
	static const char whole[] = "MSG room-1 1 12\r\n{\"n\":17,\"p\"}\r\n";
	for (size_t len = 1; len < sizeof(whole) - 1; len++) {
		char *part = xstrndup(whole, len);
		struct bytes rest = bytes_make(part, len);
		struct bytes message;
		while (nats->take(&rest, &message)) {
			struct incoming in;
			nats->read(message, &in);
			assert_int_equal(in.kind, INCOMING_BROKEN);
		}
		free(part);
	}
}

static void publishes_to_nats_in_the_size_asked_for(void **state)
{
	(void)state;
	struct buf out = { 0 };
	nats->publish(&out, "room-1", 42, 32);
	assert_bytes_equal(buf_bytes(&out),
		"PUB room-1 32\r\n{\"n\":42,\"pad\":\"xxxxxxxxxxxxxxx\"}\r\n");
	buf_fini(&out);
}

static const struct bench_protocol *const proto = &protocol_weir_proto;

static void append_binary_delivery(struct buf *out, uint32_t number, uint64_t seq)
{
	size_t begun = pb_begin(out, number);
	pb_append_bytes(out, 1, bytes_str("r-1"));
	pb_append_bytes(out, 2, bytes_str("chat"));
	pb_append_bytes(out, 6, bytes_str("e5"));
	pb_append_uint(out, 7, seq);
	pb_append_bytes(out, 9, bytes_str("{\"n\":8589934599,\"pad\":\"x\"}"));
	pb_end(out, begun);
}

static void reads_what_comes_in_binary(void **state)
{
	(void)state;
	struct buf wire = { 0 };
	struct incoming in;
	append_binary_delivery(&wire, 5, 42);
	proto->read(buf_bytes(&wire), &in);
	assert_int_equal(in.kind, INCOMING_DELIVERY);
	assert_bytes_equal(in.room, "r-1");
	assert_bytes_equal(in.epoch, "e5");
	assert_true(in.seq == 42 && in.number == 8589934599 && !in.has_id);
	for (size_t len = 0; len < wire.len; len++) {
		proto->read(bytes_make(wire.data, len), &in);
		assert_int_equal(in.kind, INCOMING_BROKEN);
	}
	wire.len = 0;
	append_binary_delivery(&wire, 5, 0); // ephemeral
	proto->read(buf_bytes(&wire), &in);
	assert_int_equal(in.kind, INCOMING_OTHER);
	static const uint8_t error[] = "\x0a\x02"
				       "17\x72\x0f\x0a\x04"
				       "oops\x22\x07unknown";
	proto->read(bytes_make(error, sizeof(error) - 1), &in);
	assert_int_equal(in.kind, INCOMING_ERROR);
	assert_bytes_equal(in.code, "oops");
	assert_true(in.has_id && in.number == 17 && in.outcome_unknown);
	static const uint8_t gap[] = "\x62\x07\x0a\x01r\x18\x03\x20\x09";
	proto->read(bytes_make(gap, sizeof(gap) - 1), &in);
	assert_int_equal(in.kind, INCOMING_GAP);
	assert_true(in.from == 3 && in.to == 9 && in.seq == 0);
	buf_fini(&wire);
}

static void walks_what_was_missed_in_binary(void **state)
{
	(void)state;
	struct buf wire = { 0 };
	struct incoming in;
	pb_append_bytes(&wire, 1, bytes_str("0"));
	size_t joined = pb_begin(&wire, 3);
	pb_append_bytes(&wire, 1, bytes_str("r-1"));
	pb_append_bytes(&wire, 2, bytes_str("e5"));
	pb_append_uint(&wire, 3, 9);
	pb_append_uint(&wire, 4, 1);
	append_binary_delivery(&wire, 6, 8);
	append_binary_delivery(&wire, 6, 9);
	pb_end(&wire, joined);
	proto->read(buf_bytes(&wire), &in);
	assert_int_equal(in.kind, INCOMING_JOINED);
	assert_true(in.recovered && in.has_id && in.seq == 9);
	struct bytes messages = in.messages;
	for (uint64_t seq = 8; seq <= 9; seq++) {
		assert_true(proto->next_missed(&messages, &in));
		assert_int_equal(in.kind, INCOMING_DELIVERY);
		assert_true(in.seq == seq && in.number == 8589934599);
	}
	assert_false(proto->next_missed(&messages, &in));
	buf_fini(&wire);
}

// The same own fields in either codec.
static void publishes_in_binary_what_it_does_in_json(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 60, 128, 2000 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct buf text = { 0 };
		struct buf wire = { 0 };
		weir->publish(&text, "room-1", 42, sizes[i]);
		proto->publish(&wire, "room-1", 42, sizes[i]);
		const uint8_t *own = memmem(text.data, text.len, "\"n\":", 4);
		size_t own_len = text.len - (size_t)(own - text.data);
		assert_memory_equal(wire.data + wire.len - own_len, own, own_len);
		assert_int_equal(wire.data[wire.len - own_len - 1], '{');
		buf_fini(&wire);
		buf_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_delivery),
		cmocka_unit_test(finds_members_in_any_order_and_with_white_space),
		cmocka_unit_test(is_not_misled_by_what_is_nested_or_quoted),
		cmocka_unit_test(looks_at_nothing_behind_the_number),
		cmocka_unit_test(takes_a_foreign_message_without_number),
		cmocka_unit_test(knows_what_the_server_says),
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(walks_the_missed_messages_of_a_recovery),
		cmocka_unit_test(walks_no_missed_messages),
		cmocka_unit_test(stops_at_a_broken_missed_message),
		cmocka_unit_test(reports_broken_messages),
		cmocka_unit_test(reads_no_byte_past_a_message_cut_anywhere),
		cmocka_unit_test(takes_only_plain_integers_for_numbers),
		cmocka_unit_test(writes_a_publish_of_the_size_asked_for),
		cmocka_unit_test(asks_for_what_was_missed_only_with_a_position),
		cmocka_unit_test(follows_the_advice_of_a_close),
		cmocka_unit_test(takes_a_frame_of_nats_apart),
		cmocka_unit_test(reads_no_part_of_a_nats_message_as_a_delivery),
		cmocka_unit_test(publishes_to_nats_in_the_size_asked_for),
		cmocka_unit_test(reads_what_comes_in_binary),
		cmocka_unit_test(walks_what_was_missed_in_binary),
		cmocka_unit_test(publishes_in_binary_what_it_does_in_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
