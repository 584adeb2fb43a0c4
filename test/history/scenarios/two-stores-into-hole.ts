// Two write faults on one hole.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "Two processes that store into one hole both find their bytes there.",
  setup(sys) {
    sys.ftruncate(sys.open("/file", "w+"), 4096);
  },
  tasks: {
    first(sys) {
      const at = sys.mmap(4096, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at, new Uint8Array(16).fill(0xaa));
    },
    second(sys) {
      const at = sys.mmap(4096, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 1024, new Uint8Array(16).fill(0xbb));
    },
  },
});
