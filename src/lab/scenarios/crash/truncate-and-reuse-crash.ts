// A freed block is another file's before the transaction that freed it is durable.  The disk is full but for a few blocks,
// so that every allocator has to use it again.

import { MIB } from "../../../machine/limits.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

/** Free blocks that are left, and of the file that is truncated. */
const FEW = 6;

export default scenario(import.meta, {
  claim:
    "A file whose truncation was lost with the power does not show what another file put into its block.",
  size: 8 * MIB,
  setup(sys) {
    written(sys, "/old", filled(FEW * BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
    const rest = sys.open("/rest", "w+");
    const length = (sys.statfs("/").bfree - FEW) * BLOCK;
    if (!fallocated(sys, rest, 0, 0, length)) sys.pwrite(rest, filled(length, 0x33), 0);
    sys.close(rest);
  },
  tasks: {
    truncater(sys) {
      sys.truncate("/old", 0);
      const fd = sys.open("/new", "r+");
      sys.pwrite(fd, filled((FEW + 2) * BLOCK, 0x22), 0);
      sys.fsync(fd);
    },
  },
});
