// A read fault on a hole, and a write that fills it.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "A process that loads from a hole does not keep the zero page once the hole is filled.",
  setup(sys) {
    sys.ftruncate(sys.open("/file", "w+"), 4096);
  },
  tasks: {
    loader(sys) {
      const at = sys.mmap(4096, "r", "shared", sys.open("/file", "r"), 0);
      return sys.load(at, 16);
    },
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), new Uint8Array(16).fill(0xaa), 0);
    },
  },
});
