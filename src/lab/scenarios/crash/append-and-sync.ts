// The size must not be durable before the bytes that it brings into view.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A power failure while a file grows leaves its old bytes and, behind them, new bytes or zeros, never stale ones.",
  setup(sys) {
    written(sys, "/file", filled(100, 0x11));
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "a");
      sys.write(fd, filled(2 * BLOCK, 0xaa));
      sys.fsync(fd);
      sys.write(fd, filled(BLOCK, 0xbb));
    },
  },
});
