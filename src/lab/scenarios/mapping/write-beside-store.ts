// A write zeroes the rest of its block; a store through a mapping has put its bytes just there.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A write to one part of a block and a store to its other part are both kept.",
  setup(sys) {
    preallocated(sys, "/file", BLOCK);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), 0);
    },
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 2048, filled(64, 0xbb));
    },
  },
});
