// OpenSSL and memory: it ends the program as xmalloc() does when there is none.
#pragma once

// Before OpenSSL is used for the first time, so at the beginning of main().
void crypto_mem_init(void);
