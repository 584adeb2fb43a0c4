// The edges of a zero range are zeroed in place, in a block of which a write has the rest; and both grow the file.

import { Fallocate } from "../../../xip/modes.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A zero range that ends in a block takes nothing from a write behind it, and the file ends where the write ends.",
  setup(sys) {
    written(sys, "/file", filled(BLOCK, 0x11));
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), BLOCK + 512);
    },
    zeroer(sys) {
      fallocated(sys, sys.open("/file", "r+"), Fallocate.zeroRange, 512, BLOCK);
    },
  },
  check(sys) {
    const { size } = sys.stat("/file");
    return size === BLOCK + 1024
      ? undefined
      : `the file has ${size} bytes, the write made it ${BLOCK + 1024}`;
  },
});
