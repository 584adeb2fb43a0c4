// fallocate grows the file while a write next to the reserved block does too.

import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "fallocate beside a write to the next block takes nothing from it, and the file ends where the longer one ends.",
  setup(sys) {
    written(sys, "/file", filled(BLOCK, 0x11));
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), BLOCK);
    },
    allocator(sys) {
      return fallocated(sys, sys.open("/file", "r+"), 0, 2 * BLOCK, BLOCK);
    },
  },
  check(sys, seen) {
    const expected = seen.allocator ? 3 * BLOCK : BLOCK + 512;
    const { size } = sys.stat("/file");
    return size === expected ? undefined : `the file has ${size} bytes, both calls together make ${expected}`;
  },
});
