// The objection to the posted patch: xip_file_write() copies and returns, and nobody converts.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "What is written into preallocated space reads back, maps, and survives mounting anew.",
  setup(sys) {
    preallocated(sys, "/file", 4 * BLOCK);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.pwrite(fd, filled(512, 0xaa), BLOCK);
      const read = sys.pread(fd, BLOCK, BLOCK);
      const at = sys.mmap(4 * BLOCK, "r", "shared", fd, 0);
      return { read, loaded: sys.load(at + BLOCK, BLOCK) };
    },
  },
});
