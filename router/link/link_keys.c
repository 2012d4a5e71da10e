// A key proves that its holder may be an edge; one that is bound to a name proves which. Both kinds
// may be listed together, so that a fleet can be moved from one key for all to one each, edge by
// edge.

#include "router/link/link_keys.h"

#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/mem.h"
#include "common/secret_file.h"
#include "proto/link_hello.h"
#include "proto/policy/revocation_seal.h"

enum {
	KEY_MAX = 4096
};

static const char *load_key(struct link_keys *keys, const char *value)
{
	const char *equals = strchr(value, '=');
	const char *path = equals != NULL ? equals + 1 : value;
	const char *why = NULL;
	size_t i = keys->n++;
	if (secret_file_read(path, KEY_MAX, &keys->files[i], &why) != 0) {
		return why;
	}
	keys->keys[i] = buf_bytes(&keys->files[i]);
	if (keys->keys[i].len < LINK_KEY_MIN) {
		return "shorter than 32 bytes";
	}
	if (equals != NULL) {
		keys->edges[i] = xstrndup(value, (size_t)(equals - value));
		if (!link_name_valid(bytes_str(keys->edges[i]))) {
			return "no such edge name";
		}
	}
	return NULL;
}

int link_keys_load(struct link_keys *keys, const struct conf_list *files, struct fault *fault)
{
	keys->keys = xcalloc(files->n, sizeof(keys->keys[0]));
	keys->files = xcalloc(files->n, sizeof(keys->files[0]));
	keys->edges = xcalloc(files->n, sizeof(keys->edges[0]));
	for (size_t i = 0; i < files->n; i++) {
		const char *why = load_key(keys, files->items[i]);
		if (why != NULL) {
			link_keys_fini(keys);
			return fault_set(fault, "link-key-file", "%s: %s", files->items[i], why);
		}
	}
	return 0;
}

void link_keys_fini(struct link_keys *keys)
{
	for (size_t i = 0; i < keys->n; i++) {
		secret_file_free(&keys->files[i]);
		free(keys->edges[i]);
	}
	free(keys->keys);
	free(keys->files);
	free(keys->edges);
	*keys = (struct link_keys){ 0 };
}

bool link_keys_seal(const struct link_keys *keys, uint8_t key[REVOCATION_SEAL_LEN])
{
	bool any = false;
	for (size_t i = 0; i < keys->n; i++) {
		any |= keys->edges[i] != NULL;
	}
	if (keys->n < 2 || !any) {
		return false;
	}
	revocation_seal_key(keys->keys, keys->n, key);
	return true;
}

bool link_keys_fit(const struct link_keys *keys, size_t index, struct bytes edge)
{
	if (keys->n == 0) {
		return true;
	}
	if (keys->edges[index] != NULL) {
		return bytes_equal_str(edge, keys->edges[index]);
	}
	for (size_t i = 0; i < keys->n; i++) {
		if (keys->edges[i] != NULL && bytes_equal_str(edge, keys->edges[i])) {
			return false;
		}
	}
	return true;
}
