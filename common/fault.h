// Why something could not be made of the options: which option, and what is wrong with its value.
#pragma once

struct fault {
	const char *option; // static
	char *what; // owned by the caller, free(3); names the file, if the value is one
};
