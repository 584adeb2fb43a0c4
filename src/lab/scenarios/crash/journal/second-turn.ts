// The log is a ring: where a transaction goes lie older ones from the second turn on.

import { scenario } from "../../../scenario.ts";
import { BLOCK, filled, written } from "../../bytes.ts";

/** Commits that go once round a log of 1,024 blocks, and some more. */
const COMMITS = 360;

export default scenario(import.meta, {
  claim:
    "What an older turn of the log has left is never taken for a part of the transaction that is written over it.",
  setup(sys) {
    written(sys, "/file", filled(BLOCK, 0x11));
    const fd = sys.open("/file", "r+");
    for (let i = 0; i < COMMITS; i++) {
      sys.ftruncate(fd, BLOCK + i);
      sys.fsync(fd);
    }
    sys.close(fd);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.pwrite(fd, filled(BLOCK, 0xaa), BLOCK);
      sys.fsync(fd);
    },
  },
});
