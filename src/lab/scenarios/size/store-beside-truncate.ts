// The same through a mapping: a page table entry must not outlive the block's stay in the file.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "A store beside a truncate reaches its own file or raises SIGBUS, never the file that got the block.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/old", "r+"), 0);
      try {
        sys.store(at, filled(64, 0xaa));
      } catch (error) {
        if ((error as { code?: string }).code !== "SIGBUS") throw error;
      }
    },
    truncater(sys) {
      sys.truncate("/old", 0);
      sys.sync(); // a freed block is free for others once the transaction is committed
      sys.pwrite(sys.open("/new", "r+"), filled(BLOCK, 0x22), 0);
    },
  },
});
