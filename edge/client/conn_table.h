// Handle -> connection, of one worker. A slot that is used again gets the next generation, so a
// handle that is out of date finds nothing.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct conn;

struct conn_slot {
	struct conn *conn; // borrowed; NULL: free
	uint32_t generation;
	uint32_t next_free;
};

struct conn_table {
	struct conn_slot *slots; // owned
	uint32_t cap;
	uint32_t n;
	uint32_t free_head; // slot used next; == cap: none
	uint8_t worker;
};

void conn_table_init(struct conn_table *t, uint8_t worker);
void conn_table_fini(struct conn_table *t);

uint64_t conn_table_add(struct conn_table *t, struct conn *c);
// NULL if it is gone, or of another worker.
struct conn *conn_table_find(const struct conn_table *t, uint64_t handle);
void conn_table_remove(struct conn_table *t, uint64_t handle);

// Walks all connections: start with *cursor 0; NULL at the end. Removing any while walking is fine;
// one added meanwhile may be seen or not.
struct conn *conn_table_walk(const struct conn_table *t, uint32_t *cursor);
