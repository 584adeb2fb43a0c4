// ea3d7209ca01 "ext4: fix races between page faults and hole punching": a fault looks a block up, a punch
// frees it, the fault maps it.  A look at the size, which helps against truncate, does not help here.

import { Fallocate } from "../../../xip/modes.ts";
import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A store beside a punch reaches its own file, never the file that got the block.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/old", "r+"), 0);
      sys.store(at, filled(64, 0xaa));
    },
    puncher(sys) {
      const fd = sys.open("/old", "r+");
      fallocated(sys, fd, Fallocate.punchHole | Fallocate.keepSize, 0, BLOCK);
      sys.sync(); // a freed block is free for others once the transaction is committed
      sys.pwrite(sys.open("/new", "r+"), filled(BLOCK, 0x22), 0);
    },
  },
});
