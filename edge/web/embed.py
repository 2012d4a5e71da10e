#!/usr/bin/env python3
"""Makes the C file of the table in edge/http/web_files.h: embed.py OUT PATH=TYPE=FILE...

The packed form is made with a fixed time, so that equal files give an equal program.
"""

import gzip
import hashlib
import sys


def array(name, data):
    rows = (", ".join(str(byte) for byte in data[i:i + 32]) for i in range(0, len(data), 32))
    return f"static const uint8_t {name}[] = {{\n" + ",\n".join(rows) + "\n};\n"


def main():
    out, *files = sys.argv[1:]
    arrays, rows = [], []
    for i, word in enumerate(files):
        path, rest = word.split("=", 1)
        kind, source = rest.rsplit("=", 1)  # a kind may be "text/html; charset=utf-8"
        with open(source, "rb") as f:
            data = f.read()
        packed = gzip.compress(data, 9, mtime=0)
        etag = hashlib.sha256(data).hexdigest()[:16]
        arrays.append(array(f"file_{i}", data))
        row = f'\t{{ "{path}", "{kind}", "\\"{etag}\\"", file_{i}, sizeof(file_{i}), '
        if len(packed) < len(data):
            arrays.append(array(f"packed_{i}", packed))
            row += f"packed_{i}, sizeof(packed_{i}) }},"
        else:
            row += "0, 0 },"
        rows.append(row)
    with open(out, "w", encoding="utf-8") as f:
        f.write('#include "edge/http/web_files.h"\n\n' + "\n".join(arrays))
        f.write("\nconst struct web_file web_files[] = {\n" + "\n".join(rows) + "\n\t{ 0 },\n};\n")


if __name__ == "__main__":
    main()
