import asyncio

active = 0


async def handle(reader, writer):
    global active
    active += 1
    async for line in reader:
        if line == b"fail\n":
            raise ValueError("wrong")
        if line == b"meet\n":
            while active < 2:
                await asyncio.sleep(0.001)
        writer.write(line.upper())
        await writer.drain()
    active -= 1
