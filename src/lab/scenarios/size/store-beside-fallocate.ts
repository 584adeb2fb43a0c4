// Both fill the same hole, and neither has the lock of the other's path: faults do not take i_rwsem.

import { scenario } from "../../scenario.ts";
import { BLOCK, fallocated, filled } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "A hole that a store and fallocate fill at once gets one block, and the store is kept.",
  setup(sys) {
    const fd = sys.open("/file", "w+");
    sys.ftruncate(fd, BLOCK);
    sys.close(fd);
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(BLOCK, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 1024, filled(64, 0xbb));
    },
    allocator(sys) {
      // ext2 has nothing to reserve space with.
      return fallocated(sys, sys.open("/file", "r+"), 0, 0, BLOCK);
    },
  },
});
