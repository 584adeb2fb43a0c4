// Stores through a mapping of two blocks, and msync of one of them: that one is promised, the other is not.

import { scenario } from "../../../../src/index.ts";

export default scenario(import.meta, {
  claim: "What was stored to a range before msync survives a power failure.",
  setup(sys) {
    sys.pwrite(sys.open("/file", "w+"), new Uint8Array(8192).fill(0x11), 0);
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(8192, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 4096, new Uint8Array(64).fill(0xaa));
      sys.msync(at + 4096, 4096);
      sys.store(at, new Uint8Array(64).fill(0xbb));
      sys.msync(at, 4096, 1);
    },
  },
});
