#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "edge/send/thin.h"
#include "tests/unit/test.h"

// Queues of small frames. A message of room "a" with seq 3 and key "x" is "a3x", one without a key
// "a3", a gap "[a1-3]", and what belongs to no room is in capital letters.

struct rig {
	struct out_queue q;
	unsigned dropped;
};

static struct frame *text_frame(const char *text)
{
	return frame_new_raw(bytes_str(text));
}

static struct frame *message(char room, uint64_t seq, const char *key, bool may_drop)
{
	char text[64];
	snprintf(text, sizeof(text), "%c%llu%s", room, (unsigned long long)seq, key);
	const struct origin_facts facts = {
		.may_drop = may_drop,
		.epoch = 1,
		.from = seq,
		.to = seq,
		.room = bytes_make(&room, 1),
		.key = bytes_str(key),
	};
	struct frame *f = text_frame(text);
	frame_set_origin(f, origin_new(&facts));
	return f;
}

static struct frame *make_gap(void *arg, const struct origin *like, uint64_t from, uint64_t to)
{
	char text[64];
	(void)arg;
	snprintf(text, sizeof(text), "[%c%llu-%llu]", like->text[0], (unsigned long long)from,
		(unsigned long long)to);
	const struct origin_facts facts = {
		.is_gap = true,
		.epoch = like->epoch,
		.from = from,
		.to = to,
		.room = origin_room(like),
	};
	struct frame *f = text_frame(text);
	frame_set_origin(f, origin_new(&facts));
	return f;
}

static void on_dropped(void *arg, const struct frame *f)
{
	struct rig *rig = arg;
	assert_non_null(f->origin);
	assert_false(f->origin->is_gap);
	rig->dropped++;
}

static const struct thin_ops ops = { make_gap, on_dropped };

// Words separated by spaces. In small letters a room that drops the oldest, unless the message has
// a key, or "-" for one that has none in a room that conflates.
static void fill(struct rig *rig, const char *words)
{
	char *copy = xstrdup(words);
	char *save = NULL;
	for (char *word = strtok_r(copy, " ", &save); word != NULL;
		word = strtok_r(NULL, " ", &save)) {
		if (word[0] < 'a') {
			out_queue_push(&rig->q, text_frame(word));
			continue;
		}
		char *key;
		unsigned long long seq = strtoull(word + 1, &key, 10);
		bool keyless = key[0] == '-';
		out_queue_push(&rig->q, message(word[0], seq, keyless ? "" : key, key[0] == '\0'));
	}
	free(copy);
}

static void assert_queue(const struct out_queue *q, const char *expected)
{
	struct frame *frames[64];
	struct buf text = { 0 };
	size_t bytes = 0;
	assert_in_range(q->n, 0, ARRAY_LEN(frames));
	out_queue_list(q, frames);
	for (uint32_t i = 0; i < q->n; i++) {
		buf_append_str(&text, i > 0 ? " " : "");
		buf_append(&text, frames[i]->data, frames[i]->len);
		bytes += frames[i]->len;
	}
	buf_append_byte(&text, '\0');
	assert_string_equal((const char *)text.data, expected);
	assert_int_equal(q->bytes, bytes - q->offset);
	buf_fini(&text);
}

static void drops_the_oldest_until_enough_is_gone(void **state)
{
	(void)state;
	static const struct {
		const char *before;
		size_t want;
		const char *after;
		unsigned dropped;
	} rows[] = {
		{ "a1 a2 a3 a4", 1, "[a1-1] a2 a3 a4", 1 },
		{ "a1 a2 a3 a4", 3, "[a1-2] a3 a4", 2 },
		{ "a1 a2 a3 a4", 99, "[a1-4]", 4 },
		{ "A B", 99, "A B", 0 },
		{ "A a1 B a2 C", 4, "A B [a1-2] C", 2 }, // where the last of them was
		{ "a1 b1 a2 b2 a3", 4, "[a1-1] [b1-1] a2 b2 a3", 2 },
		{ "a1 b7 a2 b8 a3", 8, "[a1-2] [b7-8] a3", 4 },
		{ "a1 b1- a2 b2x a3", 99, "b1 b2x [a1-3]", 3 }, // others' policy is another
		{ "a0 a0 a5 a6", 5, "[a5-5] a6", 3 }, // ephemeral ones are not told of
		{ "a0 A", 1, "A", 1 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct rig rig = { 0 };
		fill(&rig, rows[i].before);
		thin_queue(&rig.q, rows[i].want, &ops, &rig);
		assert_queue(&rig.q, rows[i].after);
		assert_int_equal(rig.dropped, rows[i].dropped);
		out_queue_fini(&rig.q);
	}
}

static void keeps_the_last_of_each_key(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	fill(&rig, "a1x a2y b1x a3x A a4x a5y a6- a7x");
	thin_queue(&rig.q, 0, &ops, &rig);
	assert_queue(&rig.q, "b1x A [a1-4] a5y a6 a7x");
	assert_int_equal(rig.dropped, 4);
	out_queue_fini(&rig.q);
}

static void gaps_that_touch_become_one(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	fill(&rig, "a1 a2 a3 a4 a5 a6");
	thin_queue(&rig.q, 1, &ops, &rig);
	thin_queue(&rig.q, 1, &ops, &rig);
	assert_queue(&rig.q, "[a1-2] a3 a4 a5 a6");
	fill(&rig, "A");
	thin_queue(&rig.q, 7, &ops, &rig);
	assert_queue(&rig.q, "[a1-6] A");
	assert_int_equal(rig.dropped, 6);
	fill(&rig, "a7 a8");
	thin_queue(&rig.q, 1, &ops, &rig);
	assert_queue(&rig.q, "A [a1-7] a8");
	out_queue_fini(&rig.q);
}

static void what_is_out_in_part_stays(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	fill(&rig, "a1 a2 a3");
	out_queue_advance(&rig.q, 1, NULL, NULL);
	thin_queue(&rig.q, 99, &ops, &rig);
	assert_queue(&rig.q, "a1 [a2-3]");
	assert_int_equal(rig.q.offset, 1);
	out_queue_advance(&rig.q, 2, NULL, NULL); // into the gap
	fill(&rig, "a4 a5");
	thin_queue(&rig.q, 99, &ops, &rig);
	assert_queue(&rig.q, "[a2-3] [a4-5]");
	out_queue_fini(&rig.q);
}

static void a_new_epoch_is_another_run(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	fill(&rig, "a8 a9");
	struct frame *f = message('a', 1, "", true);
	f->origin->epoch = 2;
	out_queue_push(&rig.q, f);
	thin_queue(&rig.q, 99, &ops, &rig);
	assert_queue(&rig.q, "[a8-9] [a1-1]");
	out_queue_fini(&rig.q);
}

static void counts_what_may_be_dropped(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	fill(&rig, "A a1 a2 a3 b1x");
	assert_int_equal(rig.q.bytes, 10);
	assert_int_equal(out_queue_firm_bytes(&rig.q), 4);
	thin_queue(&rig.q, 2, &ops, &rig);
	assert_int_equal(out_queue_firm_bytes(&rig.q), rig.q.bytes - 4);
	out_queue_advance(&rig.q, 1 + 6 + 1, NULL, NULL);
	out_queue_advance(&rig.q, 3, NULL, NULL);
	assert_int_equal(out_queue_firm_bytes(&rig.q), rig.q.bytes);
	out_queue_fini(&rig.q);
}

// Two keys, one of which changes ten times as often as the client takes a message.
static void every_key_gets_through_however_often_another_changes(void **state)
{
	(void)state;
	struct rig rig = { 0 };
	unsigned rare = 0;
	unsigned often = 0;
	uint64_t last = 0;
	uint32_t most = 0;
	for (uint64_t seq = 1; seq <= 10000; seq++) {
		out_queue_push(&rig.q, message('a', seq, seq % 100 == 0 ? "y" : "x", false));
		thin_replaced(&rig.q, &ops, &rig);
		most = rig.q.n > most ? rig.q.n : most;
		if (seq % 10 != 0) {
			continue;
		}
		const struct origin *o = rig.q.first->origin;
		assert_true(o->from == last + 1); // in order, and what is missing is told
		last = o->to;
		rare += o->key_len > 0 && origin_key(o).data[0] == 'y';
		often += o->key_len > 0 && origin_key(o).data[0] == 'x';
		out_queue_advance(&rig.q, rig.q.first->len, NULL, NULL);
	}
	assert_true(rare >= 50); // of 100
	assert_true(often >= 200); // of the 1000 frames that left, gaps included
	assert_in_range(most, 1, 80);
	out_queue_fini(&rig.q);
}

struct reader {
	struct rig rig;
	uint64_t pushed[3]; // last seq of each room
	uint64_t seen[3];
	unsigned firm; // frames of no room, so many are in the queue
};

// The next frame of its room is the next message, or says how many are missing before it.
static void on_left(void *arg, const struct frame *f, bool sent)
{
	struct reader *r = arg;
	assert_true(sent);
	if (f->origin == NULL) {
		r->firm--;
		return;
	}
	uint64_t *seen = &r->seen[f->origin->text[0] - 'a'];
	assert_true(f->origin->from == *seen + 1);
	*seen = f->origin->to;
}

// Room "a" drops the oldest, the others conflate.
static void push_any(struct reader *r, long random)
{
	static const char *const keys[] = { "", "x", "y", "z" };
	unsigned room = (unsigned)random % 3;
	const char *key = room > 0 ? keys[random / 3 % 4] : "";
	r->pushed[room]++;
	out_queue_push(&r->rig.q, message((char)('a' + room), r->pushed[room], key, room == 0));
}

static void step(struct reader *r)
{
	struct out_queue *q = &r->rig.q;
	switch (random() % 10) {
	case 0:
		out_queue_push(q, text_frame("F"));
		r->firm++;
		break;
	case 1:
		thin_queue(q, (size_t)random() % 40, &ops, &r->rig);
		break;
	case 2:
		thin_replaced(q, &ops, &r->rig);
		break;
	case 3:
		out_queue_advance(q, (size_t)random() % (q->bytes + 1) % 9, on_left, r);
		break;
	default:
		push_any(r, random());
		break;
	}
}

// Whatever is queued, sent and thinned: what leaves is in order, each message of a room once, as
// itself or as part of one gap, and nothing else is lost.
static void a_reader_misses_nothing_that_it_is_not_told(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 200; seed++) {
		struct reader r = { 0 };
		srandom(seed);
		for (unsigned i = 0; i < 500; i++) {
			step(&r);
		}
		out_queue_advance(&r.rig.q, r.rig.q.bytes, on_left, &r);
		assert_memory_equal(r.seen, r.pushed, sizeof(r.seen));
		assert_int_equal(r.firm, 0);
		assert_int_equal(out_queue_firm_bytes(&r.rig.q), 0);
		out_queue_fini(&r.rig.q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drops_the_oldest_until_enough_is_gone),
		cmocka_unit_test(keeps_the_last_of_each_key),
		cmocka_unit_test(gaps_that_touch_become_one),
		cmocka_unit_test(what_is_out_in_part_stays),
		cmocka_unit_test(a_new_epoch_is_another_run),
		cmocka_unit_test(counts_what_may_be_dropped),
		cmocka_unit_test(every_key_gets_through_however_often_another_changes),
		cmocka_unit_test(a_reader_misses_nothing_that_it_is_not_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
