// The shape of 12735f881952 "ext4: pre-zero allocated blocks for DAX IO", with a read in the fault's role.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A reader of preallocated space sees zeros or the new bytes, never what the media held before.",
  setup(sys) {
    preallocated(sys, "/file", 4 * BLOCK);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), BLOCK);
    },
    reader(sys) {
      return sys.pread(sys.open("/file", "r"), BLOCK, BLOCK);
    },
  },
});
