// Stores through a mapping, an fsync after each: the second has to find the page again.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "What was stored through a mapping before an fsync survives a power failure, the second time, too.",
  setup(sys) {
    preallocated(sys, "/file", BLOCK);
  },
  tasks: {
    storer(sys) {
      const fd = sys.open("/file", "r+");
      const at = sys.mmap(BLOCK, "rw", "shared", fd, 0);
      sys.store(at, filled(64, 0xaa));
      sys.fsync(fd);
      sys.store(at + 64, filled(64, 0xbb));
      sys.fsync(fd);
    },
  },
});
