// 12735f881952 "ext4: pre-zero allocated blocks for DAX IO": the fault zeroes and converts between a
// write's copy and its conversion.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A load through a mapping sees zeros or the bytes being written, and takes nothing away.",
  setup(sys) {
    preallocated(sys, "/file", 4 * BLOCK);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), BLOCK);
    },
    loader(sys) {
      const at = sys.mmap(4 * BLOCK, "r", "shared", sys.open("/file", "r"), 0);
      return sys.load(at + BLOCK, 1024);
    },
  },
});
