// A writer that has a block's address copies into it after a punch gave the block to another file.  Unlike
// with a truncate, the size says nothing of it.

import { Fallocate } from "../../../xip/modes.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A write beside a punch reaches its own file, never the file that got the block.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/old", "r+"), filled(512, 0xaa), 0);
    },
    puncher(sys) {
      const fd = sys.open("/old", "r+");
      fallocated(sys, fd, Fallocate.punchHole | Fallocate.keepSize, 0, BLOCK);
      sys.sync(); // a freed block is free for others once the transaction is committed
      sys.pwrite(sys.open("/new", "r+"), filled(BLOCK, 0x22), 0);
    },
  },
});
