// A write in the middle splits an unwritten extent into three: half a split must not be found after a failure.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A power failure while an extent is split leaves one piece or three, and the file reads the same around it.",
  setup(sys) {
    preallocated(sys, "/file", 7 * BLOCK);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.pwrite(fd, filled(BLOCK, 0xaa), 3 * BLOCK);
      sys.fsync(fd);
      sys.pwrite(fd, filled(BLOCK, 0xbb), 5 * BLOCK);
    },
  },
});
