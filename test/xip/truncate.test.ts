// A size that was cut is the file's on the media, too, under every design.

import { expect, test } from "vitest";
import { boot, designs } from "../../src/index.ts";

test.each([...designs.keys()])(
  "%s: a file that was cut has its new size after a new mount",
  async (design) => {
    const machine = await boot({ design });
    const sys = machine.sys();
    const fd = sys.open("/file", "w+");
    sys.pwrite(fd, new Uint8Array(50_000).fill(1), 0);
    sys.fsync(fd);
    sys.ftruncate(fd, 33_967);
    const image = await machine.image();
    await machine.close();
    const again = await boot({ design, image });
    expect(again.sys().stat("/file").size).toBe(33_967);
    await again.close();
  },
);
