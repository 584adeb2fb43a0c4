// A task's fsync commits what another task's conversion has done so far.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim:
    "An fsync beside another task's first write never makes a block durable as written that holds stale bytes.",
  setup(sys) {
    preallocated(sys, "/file", 2 * BLOCK);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(BLOCK, 0xaa), 0);
    },
    syncer(sys) {
      sys.fsync(sys.open("/file", "r+"));
    },
  },
});
