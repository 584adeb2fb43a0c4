// The transaction that says "written" must not be durable before the data is.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "After a power failure, a block written into reserved space holds zeros or what was written; after fsync, that.",
  setup(sys) {
    preallocated(sys, "/file", 4 * BLOCK);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.pwrite(fd, filled(512, 0xaa), BLOCK);
      sys.fsync(fd);
    },
  },
});
