// A write fault puts a block into a hole, and a read looks at it.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "Who reads a hole into which another process stores sees zeros or what was stored.",
  setup(sys) {
    sys.ftruncate(sys.open("/file", "w+"), 4096);
  },
  tasks: {
    reader(sys) {
      return sys.pread(sys.open("/file", "r"), 4096, 0);
    },
    storer(sys) {
      const at = sys.mmap(4096, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at, new Uint8Array(16).fill(0xaa));
    },
  },
});
