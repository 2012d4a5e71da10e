#include "tests/unit/tokens.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/check.h"
#include "common/mem.h"

char *token_encode(struct bytes data)
{
	char *text = xmalloc(data.len * 4 / 3 + 5);
	int len = EVP_EncodeBlock((unsigned char *)text, data.data, (int)data.len);
	while (len > 0 && text[len - 1] == '=') {
		len--;
	}
	text[len] = '\0';
	for (char *c = text; *c != '\0'; c++) {
		if (*c == '+') {
			*c = '-';
		} else if (*c == '/') {
			*c = '_';
		}
	}
	return text;
}

static const EVP_MD *hash_of(const char *alg)
{
	if (strcmp(alg, "HS256") == 0) {
		return EVP_sha256();
	}
	return strcmp(alg, "HS384") == 0 ? EVP_sha384() : EVP_sha512();
}

char *token_seal(const char *alg, struct bytes key, const char *text)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	CHECK(HMAC(hash_of(alg), key.data, (int)key.len, (const unsigned char *)text, strlen(text),
		      mac, &mac_len) != NULL);
	char *signature = token_encode(bytes_make(mac, mac_len));
	char *token = xasprintf("%s.%s", text, signature);
	free(signature);
	return token;
}

char *token_make(const char *alg, struct bytes key, const char *header, const char *payload)
{
	char *h = token_encode(bytes_str(header));
	char *p = token_encode(bytes_str(payload));
	char *text = xasprintf("%s.%s", h, p);
	char *token = token_seal(alg, key, text);
	free(text);
	free(p);
	free(h);
	return token;
}

void key_dir_init(struct key_dir *dir)
{
	snprintf(dir->path, sizeof(dir->path), "/tmp/weir-keys-XXXXXX");
	CHECK(mkdtemp(dir->path) != NULL);
}

void key_dir_fini(struct key_dir *dir)
{
	DIR *list = opendir(dir->path);
	CHECK(list != NULL);
	for (struct dirent *entry = readdir(list); entry != NULL; entry = readdir(list)) {
		if (entry->d_name[0] != '.') {
			CHECK(unlinkat(dirfd(list), entry->d_name, 0) == 0);
		}
	}
	closedir(list);
	CHECK(rmdir(dir->path) == 0);
}

char *key_dir_write(const struct key_dir *dir, const char *name, struct bytes data, mode_t mode,
	const char *prefix)
{
	char *path = xasprintf("%s/%s", dir->path, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK(write(fd, data.data, data.len) == (ssize_t)data.len);
	CHECK(fchmod(fd, mode) == 0);
	close(fd);
	char *spec = xasprintf("%s%s", prefix, path);
	free(path);
	return spec;
}
