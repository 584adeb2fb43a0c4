// The same as with a punch, but the block stays the file's: a page table entry that a fault puts in too late
// leads to a block that reads as zeros, whatever is stored there.

import { Fallocate } from "../../../xip/modes.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "What is stored after a zero range has returned is kept.",
  setup(sys) {
    written(sys, "/file", filled(BLOCK, 0x11));
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at, filled(64, 0xaa));
      sys.store(at, filled(64, 0xbb));
    },
    zeroer(sys) {
      fallocated(sys, sys.open("/file", "r+"), Fallocate.zeroRange, 0, BLOCK);
    },
  },
});
