// A write's copy faults on the very block that it writes: whatever the write holds, the fault must not want.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A write whose source is a mapping of the same unwritten block ends, and copies zeros or stored bytes.",
  setup(sys) {
    preallocated(sys, "/file", BLOCK);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      const at = sys.mmap(BLOCK, "rw", "shared", fd, 0);
      return sys.pwrite(fd, { address: at + 2048, length: 512 }, 0);
    },
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 2048, filled(64, 0xbb));
    },
  },
});
