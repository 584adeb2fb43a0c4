// A write fault that converts, a transaction on the same file, and a commit that waits for transactions.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "A write fault, fallocate and fsync of one file all end.",
  setup(sys) {
    sys.open("/other", "w+");
    sys.fallocate(sys.open("/file", "w+"), 0, 0, 4096);
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(4096, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at, new Uint8Array(16).fill(0xaa));
    },
    allocator(sys) {
      sys.fallocate(sys.open("/file", "r+"), 0, 4096, 4096);
    },
    syncer(sys) {
      sys.ftruncate(sys.open("/other", "r+"), 1); // something to commit
      sys.fsync(sys.open("/file", "r"));
    },
  },
});
