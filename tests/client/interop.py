"""Half of the conversation that integration/test_interop.py has with each client: joins the room,
says what was agreed on, and repeats the text it hears, whole and in fragments, until it hears `bye`.
Usage: interop.py URL ROOM deflate|plain"""

import asyncio
import json
import sys

import websockets

FRAGMENT = 20000


async def converse(url, room, how):
    compression = "deflate" if how == "deflate" else None
    async with websockets.connect(url, compression=compression) as client:
        def encode(kind, **fields):
            return json.dumps({"type": kind, "room": room, **fields}, ensure_ascii=False)

        async for data in client:
            message = json.loads(data)
            kind = message["type"]
            if kind == "connected":
                await client.send(encode("join"))
            elif kind == "joined":
                names = [extension.name for extension in client.extensions]
                await client.send(encode("here", extensions=", ".join(names)))
            elif kind == "chat":
                await client.send(encode("whole", text=message["text"]))
                text = encode("fragments", text=message["text"])
                await client.send(text[i:i + FRAGMENT] for i in range(0, len(text), FRAGMENT))
            elif kind == "bye":
                await client.close()
    return 0 if client.close_code == 1000 else 1


sys.exit(asyncio.run(converse(*sys.argv[1:])))
