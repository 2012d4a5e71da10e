#!/usr/bin/env python3
"""Makes the C file of the table in router/ui/ui_files.h: embed.py OUT PATH=TYPE=FILE..."""

import sys


def main():
    out, *files = sys.argv[1:]
    arrays, rows = [], []
    for i, word in enumerate(files):
        path, rest = word.split("=", 1)
        kind, source = rest.rsplit("=", 1)  # a kind may be "text/html; charset=utf-8"
        with open(source, "rb") as f:
            data = f.read()
        arrays.append(f"static const uint8_t file_{i}[] = {{\n" +
                      ",\n".join(", ".join(str(byte) for byte in data[at:at + 32])
                                 for at in range(0, len(data), 32)) + "\n};\n")
        rows.append(f'\t{{ "{path}", "{kind}", file_{i}, sizeof(file_{i}) }},')
    with open(out, "w", encoding="utf-8") as f:
        f.write('#include "router/ui/ui_files.h"\n\n' + "\n".join(arrays))
        f.write("\nconst struct ui_file ui_files[] = {\n" + "\n".join(rows) + "\n\t{ 0 },\n};\n")


if __name__ == "__main__":
    main()
