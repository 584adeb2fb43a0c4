// 1ca191576fc8 "xfs: Don't use unwritten extents for DAX": the second fault zeroes what the first one's
// process has stored already.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Two processes that store into one unwritten block both find their bytes there.",
  setup(sys) {
    preallocated(sys, "/file", BLOCK);
  },
  tasks: {
    first(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at, filled(64, 0xaa));
    },
    second(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 1024, filled(64, 0xbb));
    },
  },
});
