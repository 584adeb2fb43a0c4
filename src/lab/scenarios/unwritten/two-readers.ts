// Reads that zero and convert are writers in disguise: two of them meet on one block.

import { scenario } from "../../scenario.ts";
import { BLOCK, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Two readers of one unwritten block both see zeros.",
  setup(sys) {
    preallocated(sys, "/file", BLOCK);
  },
  tasks: {
    first(sys) {
      return sys.pread(sys.open("/file", "r"), BLOCK, 0);
    },
    second(sys) {
      return sys.pread(sys.open("/file", "r"), BLOCK, 0);
    },
  },
});
