// Written blocks become unwritten again: after a failure they hold the old bytes or zeros.

import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

const ZERO_RANGE = 0x10;

export default scenario(import.meta, {
  claim:
    "A power failure around a zeroed range leaves old bytes or zeros there, and what was written later after its fsync.",
  setup(sys) {
    written(sys, "/file", filled(4 * BLOCK, 0x11));
  },
  tasks: {
    zeroer(sys) {
      const fd = sys.open("/file", "r+");
      fallocated(sys, fd, ZERO_RANGE, BLOCK, 2 * BLOCK);
      sys.pwrite(fd, filled(64, 0xaa), BLOCK);
      sys.fsync(fd);
    },
  },
});
