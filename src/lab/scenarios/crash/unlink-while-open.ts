// An unlinked file in use lies on the orphan list; after a failure the next mount frees it.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "An unlinked file that was in use when the power failed is there whole or gone whole, with its space.",
  setup(sys) {
    written(sys, "/file", filled(3 * BLOCK, 0x11));
    written(sys, "/other", filled(BLOCK, 0x22));
  },
  tasks: {
    unlinker(sys) {
      const fd = sys.open("/file", "r+");
      sys.unlink("/file");
      sys.pwrite(fd, filled(BLOCK, 0xaa), 3 * BLOCK);
      sys.fsync(sys.open("/other", "r+"));
      sys.close(fd);
    },
  },
});
