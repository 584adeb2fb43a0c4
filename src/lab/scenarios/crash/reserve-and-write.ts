// fallocate, a write into the space, and no sync in between.

import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Space reserved and written just before a power failure reads as zeros or as what was written.",
  setup(sys) {
    written(sys, "/file", new Uint8Array(0));
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      fallocated(sys, fd, 0, 0, 4 * BLOCK);
      sys.pwrite(fd, filled(100, 0xaa), BLOCK + 50);
      sys.fsync(fd);
    },
  },
});
