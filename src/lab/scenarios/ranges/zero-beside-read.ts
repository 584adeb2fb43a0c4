// What a zero range leaves is unwritten space over bytes of the file's own past; a reader that marks such
// space written brings them back, if it does not zero them.

import { Fallocate } from "../../../xip/modes.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Who reads a file beside a zero range sees old bytes or zeros, and zeros when it has returned.",
  setup(sys) {
    written(sys, "/file", filled(2 * BLOCK, 0x11));
  },
  tasks: {
    reader(sys) {
      return sys.pread(sys.open("/file", "r"), 2 * BLOCK, 0);
    },
    zeroer(sys) {
      fallocated(sys, sys.open("/file", "r+"), Fallocate.zeroRange, 512, 2 * BLOCK - 512);
    },
  },
});
