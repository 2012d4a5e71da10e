#include <stdio.h>

#include "tests/unit/store_rig.h"

enum {
	ROOMS = 3,
	TURNS = 4,
};

// What a room was before the router ended.
struct was {
	char name[8];
	uint64_t epoch;
	uint64_t seq;
};

static struct table_room *room_of(const struct store_rig *rig, const char *name)
{
	return room_table_find(&rig->route.table, bytes_str(name));
}

static void restart(struct store_rig *rig)
{
	rig_stop(rig);
	rig_start(rig);
	rig_edge_up(rig);
	rig_client_up(rig, 1, "alice");
	rig_forget_output(rig);
}

static void body_of(const char *room, uint64_t seq, char body[32])
{
	snprintf(body, 32, "{\"%s\":%llu}", room, (unsigned long long)seq);
}

// Every body says which room and seq it is for.
static void say(struct store_rig *rig, const char *room)
{
	char body[32];
	const struct table_room *known = room_of(rig, room);
	body_of(room, known != NULL ? known->seq + known->n_proposed + 1 : 1, body);
	Weir__Link__V1__Publish publish = rig_publish_of(1, 9, room, body);
	rig_say(rig, &LINK_ITEM(PUBLISH, publish, &publish));
}

static void fill(struct store_rig *rig, struct was was[ROOMS])
{
	rig_client_up(rig, 1, "alice");
	for (int i = 0; i < ROOMS; i++) {
		snprintf(was[i].name, sizeof(was[i].name), "room-%d", i);
	}
	for (int turn = 0; turn < TURNS; turn++) {
		for (int i = 0; i <= turn && i < ROOMS; i++) {
			say(rig, was[i].name);
			say(rig, was[i].name);
		}
		rig_commit(rig);
	}
	for (int i = 0; i < ROOMS; i++) {
		was[i].epoch = room_of(rig, was[i].name)->epoch;
		was[i].seq = room_of(rig, was[i].name)->seq;
	}
	rig_forget_output(rig);
}

// The room's messages are the last ones up to its seq, each as it was.
static void assert_whole(const struct table_room *room)
{
	struct store_message m;
	char body[32];
	uint64_t first = store_first(&room->log);
	if (first == 0) {
		return;
	}
	for (uint64_t seq = first; seq <= room->seq; seq++) {
		assert_true(store_read(&room->log, seq, &m));
		body_of(room->name, seq, body);
		assert_true(bytes_equal_str(m.body, body));
		assert_true(bytes_equal_str(m.user, "alice"));
	}
}

// Nothing is half there: a room has all that it had, or another epoch.
static int assert_all_or_new(struct store_rig *rig, const struct was was[ROOMS])
{
	int n = 0;
	for (int i = 0; i < ROOMS; i++) {
		const struct table_room *room = room_of(rig, was[i].name);
		if (room != NULL && room->epoch == was[i].epoch) {
			assert_int_equal(room->seq, was[i].seq);
			assert_int_equal(store_first(&room->log), 1);
			assert_whole(room);
			n++;
		}
	}
	return n;
}

static void rooms_have_their_epochs_seqs_and_histories_again(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	restart(rig);
	assert_int_equal(rig->load.n_damaged, 0);
	assert_int_equal(assert_all_or_new(rig, was), ROOMS);
	assert_true(route_is_idle(&rig->route));
	say(rig, was[0].name);
	rig_commit(rig);
	rig_expect_published(rig, 9, was[0].seq + 1);
}

static void keys_hold_and_what_is_sent_again_is_recognised(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	rig_publish_key(rig, 1, 2, "tea", "k");
	rig_publish(rig, 1, 3, "tea");
	rig_commit(rig);
	restart(rig);
	rig_publish_key(rig, 1, 4, "tea", "k");
	rig_resend(rig, 1, 3, "tea");
	rig_resend(rig, 1, 5, "tea");
	rig_commit(rig);
	rig_expect_published(rig, 4, 1);
	rig_expect_published(rig, 3, 2);
	rig_expect_published(rig, 5, 3);
}

static void what_was_refused_or_not_committed_is_not_there(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	say(rig, was[0].name);
	assert_true(rig_end_turn(rig));
	rig_answer(rig, STORE_REFUSED);
	rig_forget_output(rig);
	say(rig, was[0].name);
	assert_true(rig_end_turn(rig));
	restart(rig);
	assert_int_equal(assert_all_or_new(rig, was), ROOMS);
}

static void a_flipped_byte_costs_rooms_their_epoch_and_no_message_its_truth(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	uint64_t n_log = rig->n_log;
	for (uint64_t turn = 0; turn < n_log; turn++) {
		for (size_t at = 0; at < rig->log[turn].len; at++) {
			rig->log[turn].data[at] ^= (uint8_t)(1 << at % 8);
			restart(rig);
			assert_true(rig->load.n_damaged > 0);
			assert_true(assert_all_or_new(rig, was) < ROOMS);
			rig->log[turn].data[at] ^= (uint8_t)(1 << at % 8);
		}
	}
}

static void a_turn_cut_anywhere_is_damage(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	struct buf *last = &rig->log[rig->n_log - 1];
	size_t len = last->len;
	for (last->len = 0; last->len < len; last->len++) {
		restart(rig);
		assert_true(rig->load.n_damaged > 0);
		assert_int_equal(assert_all_or_new(rig, was), 0);
	}
	restart(rig);
	assert_int_equal(assert_all_or_new(rig, was), ROOMS);
}

static void a_missing_turn_leaves_no_hole(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	rig_stop(rig);
	route_init(&rig->route, &(struct route_options){ .history_messages = 100 }, rig_append,
		rig);
	route_use_store(&rig->route, rig_hash_key);
	rig->load = (struct route_load){ .now_ms = rig->now_ms, .wall_ms = rig->wall_ms };
	for (uint64_t i = 0; i < rig->n_log; i++) {
		if (i != 1) {
			route_load(&rig->route, &rig->load, i + 1, buf_bytes(&rig->log[i]));
		}
	}
	assert_int_equal(assert_all_or_new(rig, was), 0);
}

// What is said after damage has to survive the next start.
static void goes_on_behind_damage(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	rig->log[rig->n_log - 1].data[0] ^= 1;
	restart(rig);
	assert_false(route_is_idle(&rig->route));
	rig_commit(rig); // that all of it is void
	for (int i = 0; i < 3; i++) {
		say(rig, was[0].name);
		rig_commit(rig);
	}
	uint64_t epoch = room_of(rig, was[0].name)->epoch;
	assert_int_not_equal(epoch, was[0].epoch);
	restart(rig);
	assert_int_equal(room_of(rig, was[0].name)->epoch, epoch);
	assert_int_equal(room_of(rig, was[0].name)->seq, 3);
}

static void a_room_that_was_forgotten_stays_so(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	rig_publish(rig, 1, 2, "tea");
	rig_commit(rig);
	rig->now_ms += 400000;
	route_sweep(&rig->route, rig->now_ms);
	rig_commit(rig);
	restart(rig);
	assert_null(room_of(rig, "tea"));
}

static void messages_are_as_old_as_they_were(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	rig_publish(rig, 1, 2, "tea");
	rig_commit(rig);
	rig->wall_ms += 200000; // the monotonic clock is another machine's
	rig->now_ms = 5;
	restart(rig);
	struct table_room *room = room_of(rig, "tea");
	store_trim(&rig->route.store, &room->log, rig->now_ms + 99000);
	assert_int_equal(store_first(&room->log), 1);
	store_trim(&rig->route.store, &room->log, rig->now_ms + 101000);
	assert_int_equal(store_first(&room->log), 0);
	assert_int_equal(room->seq, 1);
}

static void rejoin(struct store_rig *rig, uint64_t handle, const char *room, uint64_t epoch,
	uint64_t seq)
{
	Weir__Link__V1__Place place = WEIR__LINK__V1__PLACE__INIT;
	Weir__Link__V1__Place *places[] = { &place };
	Weir__Link__V1__Rejoin message = WEIR__LINK__V1__REJOIN__INIT;
	place.room = rig_text(room);
	place.epoch = epoch;
	place.seq = seq;
	message.client = handle;
	message.n_places = 1;
	message.places = places;
	rig_say(rig, &LINK_ITEM(REJOIN, rejoin, &message));
}

static void a_room_in_which_nothing_was_said_keeps_its_epoch(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	rig_join(rig, 1, 2, "tea");
	uint64_t epoch = room_of(rig, "tea")->epoch;
	restart(rig);
	rejoin(rig, 1, "tea", epoch, 0);
	rig_quiet(rig);
	assert_int_equal(room_of(rig, "tea")->epoch, epoch);
}

static void members_ahead_of_a_log_that_lost_its_end_get_a_new_epoch(void **state)
{
	struct store_rig *rig = *state;
	rig_client_up(rig, 1, "alice");
	for (int i = 0; i < 2; i++) {
		say(rig, "tea");
		rig_commit(rig);
	}
	uint64_t epoch = room_of(rig, "tea")->epoch;
	rig->n_log = 1;
	rig->log[1].len = 0;
	restart(rig);
	rejoin(rig, 1, "tea", epoch, 2);
	assert_int_not_equal(room_of(rig, "tea")->epoch, epoch);
	rig_forget_output(rig);
	say(rig, "tea");
	rig_commit(rig);
	epoch = room_of(rig, "tea")->epoch;
	restart(rig);
	assert_int_equal(room_of(rig, "tea")->epoch, epoch);
	assert_int_equal(room_of(rig, "tea")->seq, 1);
}

// ---- images

static size_t log_bytes(const struct store_rig *rig)
{
	size_t bytes = 0;
	for (uint64_t i = rig->keep_from > 0 ? rig->keep_from - 1 : 0; i < rig->n_log; i++) {
		bytes += rig->log[i].len;
	}
	return bytes;
}

static void images_keep_the_log_short_and_the_rooms_whole(void **state)
{
	struct store_rig *rig = *state;
	char name[8];
	rig_client_up(rig, 1, "alice");
	rig_publish_key(rig, 1, 2, "key", "k");
	rig->route.journal.log_min = 64 << 10;
	for (int turn = 0; turn < 3000; turn++) {
		for (int i = 0; i < 20; i++) {
			snprintf(name, sizeof(name), "r-%d", i * turn % 50);
			say(rig, name);
		}
		rig_commit(rig);
		rig_forget_output(rig);
	}
	const struct journal *j = &rig->route.journal;
	uint64_t alive = rig->route.store.bytes + rig->route.dedup.bytes + rig->route.origins.bytes;
	assert_true(rig->keep_from > 1500);
	assert_true(log_bytes(rig) < 6 * alive);
	assert_true(j->written > log_bytes(rig));
	uint64_t seqs[50];
	uint64_t epochs[50];
	uint64_t firsts[50];
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "r-%d", i);
		const struct table_room *room = room_of(rig, name);
		seqs[i] = room != NULL ? room->seq : 0;
		epochs[i] = room != NULL ? room->epoch : 0;
		firsts[i] = room != NULL ? store_first(&room->log) : 0;
	}
	restart(rig);
	assert_int_equal(rig->load.n_damaged, 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "r-%d", i);
		const struct table_room *room = room_of(rig, name);
		assert_int_equal(room != NULL ? room->seq : 0, seqs[i]);
		assert_int_equal(room != NULL ? room->epoch : 0, epochs[i]);
		assert_int_equal(room != NULL ? store_first(&room->log) : 0, firsts[i]);
		if (room != NULL) {
			assert_whole(room);
		}
	}
	rig_publish_key(rig, 1, 3, "key", "k");
	rig_resend(rig, 1, 2, "key");
	rig_commit(rig);
	rig_expect_published(rig, 3, 1);
	rig_expect_published(rig, 2, 1);
}

static void compacting_leaves_what_is_alive(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	fill(rig, was);
	for (int i = 0; i < 2000; i++) {
		say(rig, was[0].name);
		rig_commit(rig);
	}
	was[0].seq += 2000;
	rig_forget_output(rig);
	size_t before = log_bytes(rig);
	rig->now_ms += ORIGIN_AGE_MS; // nothing is sent again any more
	route_sweep(&rig->route, rig->now_ms);
	route_compact(&rig->route);
	rig_commit(rig);
	assert_int_equal(rig->route.journal.n_compacting, 0);
	rig_publish(rig, 1, 2, "other"); // the turn that drops the old ones
	rig_commit(rig);
	assert_true(log_bytes(rig) < before / 2);
	restart(rig);
	assert_int_equal(rig->load.n_damaged, 0);
	for (int i = 0; i < ROOMS; i++) {
		const struct table_room *room = room_of(rig, was[i].name);
		assert_int_equal(room->epoch, was[i].epoch);
		assert_int_equal(room->seq, was[i].seq);
		assert_whole(room);
	}
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

// The log of one slot as an engine keeps it that has a log for each: its records of all turns.
static void log_of_slot(const struct store_rig *rig, uint32_t slot, struct buf *log)
{
	for (uint64_t i = 0; i < rig->n_log; i++) {
		struct store_slot_set slots;
		struct store_record record;
		struct bytes rest = buf_bytes(&rig->log[i]);
		assert_true(store_turn_open(&rest, &slots));
		while (store_record_next(&rest, &record) == 1) {
			if (journal_slot_of(&rig->route.journal, record.room) == slot) {
				store_record_append(log, &record);
			}
		}
	}
}

// The router begins with these logs and nothing else.
static void restart_with(struct store_rig *rig, struct buf logs[STORE_SLOTS])
{
	rig_stop(rig);
	rig->n_log = 0;
	rig->keep_from = 0;
	rig_prepare(rig);
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		if (logs[slot].len > 0) {
			route_load_slot(&rig->route, &rig->load, slot, buf_bytes(&logs[slot]));
		}
		buf_fini(&logs[slot]);
	}
	route_loaded(&rig->route, &rig->load, &rig_ops, rig);
	rig_edge_up(rig);
	rig_client_up(rig, 1, "alice");
	rig_forget_output(rig);
}

static void slots_may_have_a_log_each(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	static struct buf logs[STORE_SLOTS];
	fill(rig, was);
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		log_of_slot(rig, slot, &logs[slot]);
	}
	restart_with(rig, logs);
	assert_int_equal(rig->load.n_damaged, 0);
	assert_int_equal(assert_all_or_new(rig, was), ROOMS);
}

static void a_record_in_the_log_of_another_slot_is_damage(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	static struct buf logs[STORE_SLOTS];
	fill(rig, was);
	uint32_t slot = journal_slot_of(&rig->route.journal, bytes_str(was[0].name));
	log_of_slot(rig, slot, &logs[(slot + 1) % STORE_SLOTS]);
	restart_with(rig, logs);
	assert_int_equal(rig->load.n_damaged, 1);
	assert_null(room_of(rig, was[0].name));
	assert_false(route_is_idle(&rig->route)); // that the slot is void has to be written
}

static void images_of_some_slots_are_what_their_logs_came_to(void **state)
{
	struct store_rig *rig = *state;
	struct was was[ROOMS];
	static struct buf logs[STORE_SLOTS];
	struct store_slot_set slots = { 0 };
	fill(rig, was);
	say(rig, was[0].name); // only proposed: in no image
	for (int i = 0; i < ROOMS; i++) {
		store_slot_add(&slots,
			journal_slot_of(&rig->route.journal, bytes_str(was[i].name)));
	}
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		if (store_slot_in(&slots, slot)) {
			route_image_slots(&rig->route, &slots, &logs[slot], 1);
			assert_false(store_slot_in(&slots, slot));
		}
	}
	restart_with(rig, logs);
	assert_int_equal(rig->load.n_damaged, 0);
	assert_int_equal(assert_all_or_new(rig, was), ROOMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rooms_have_their_epochs_seqs_and_histories_again),
		RIG_TEST(keys_hold_and_what_is_sent_again_is_recognised),
		RIG_TEST(what_was_refused_or_not_committed_is_not_there),
		RIG_TEST(a_flipped_byte_costs_rooms_their_epoch_and_no_message_its_truth),
		RIG_TEST(a_turn_cut_anywhere_is_damage),
		RIG_TEST(a_missing_turn_leaves_no_hole),
		RIG_TEST(goes_on_behind_damage),
		RIG_TEST(a_room_that_was_forgotten_stays_so),
		RIG_TEST(messages_are_as_old_as_they_were),
		RIG_TEST(a_room_in_which_nothing_was_said_keeps_its_epoch),
		RIG_TEST(members_ahead_of_a_log_that_lost_its_end_get_a_new_epoch),
		RIG_TEST(images_keep_the_log_short_and_the_rooms_whole),
		RIG_TEST(compacting_leaves_what_is_alive),
		RIG_TEST(slots_may_have_a_log_each),
		RIG_TEST(a_record_in_the_log_of_another_slot_is_damage),
		RIG_TEST(images_of_some_slots_are_what_their_logs_came_to),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
