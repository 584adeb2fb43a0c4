// A writer that has a block's address copies into it after truncate gave the block to another file.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A write beside a truncate reaches its own file or nothing, never the file that got the block.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/old", "r+"), filled(512, 0xaa), 0);
    },
    truncater(sys) {
      sys.truncate("/old", 0);
      sys.sync(); // a freed block is free for others once the transaction is committed
      sys.pwrite(sys.open("/new", "r+"), filled(BLOCK, 0x22), 0);
    },
  },
});
