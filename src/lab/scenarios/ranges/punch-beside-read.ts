// A reader that has a block's address copies from it after a punch gave the block to another file.

import { Fallocate } from "../../../xip/modes.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Who reads a file beside a punch sees its own old bytes or zeros, never another file's.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    reader(sys) {
      return sys.pread(sys.open("/old", "r"), 512, 0);
    },
    puncher(sys) {
      const fd = sys.open("/old", "r+");
      fallocated(sys, fd, Fallocate.punchHole | Fallocate.keepSize, 0, BLOCK);
      sys.sync(); // a freed block is free for others once the transaction is committed
      sys.pwrite(sys.open("/new", "r+"), filled(BLOCK, 0x22), 0);
    },
  },
});
