// Why something could not be made of the options: which option, and what is wrong with its value.
// What is made of options or of the files that they name gets a `struct fault *` as its last
// parameter, and returns NULL or -1 when it has set it.
#pragma once

struct fault {
	const char *option; // static
	char *what; // owned, fault_fini(); names the file, if the value is one
};

// Sets a fault that is not set yet, and returns -1. `option` NULL: what serves several options,
// which its caller has named in the fault before.
int fault_set(struct fault *fault, const char *option, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void fault_fini(struct fault *fault);
