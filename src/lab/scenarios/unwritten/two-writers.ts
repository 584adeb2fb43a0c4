// The shape of e9e3bcecf44c "ext4: serialize unaligned asynchronous DIO": each writer of a part of a new
// block zeroes the rest of it.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Two writers of different parts of one unwritten block both find their bytes there.",
  setup(sys) {
    preallocated(sys, "/file", BLOCK);
  },
  tasks: {
    first(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xaa), 0);
    },
    second(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(512, 0xbb), 512);
    },
  },
});
