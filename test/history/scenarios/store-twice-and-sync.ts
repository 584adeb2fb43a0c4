// Stores into a block that is the file's already, an fsync after each: no transaction comes in between.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "What was stored through a mapping before an fsync survives a power failure, the second time, too.",
  setup(sys) {
    const fd = sys.open("/file", "w+");
    sys.pwrite(fd, new Uint8Array(4096).fill(0x11), 0);
    sys.close(fd);
  },
  tasks: {
    storer(sys) {
      const fd = sys.open("/file", "r+");
      const at = sys.mmap(4096, "rw", "shared", fd, 0);
      sys.store(at, new Uint8Array(64).fill(0xaa));
      sys.fsync(fd);
      sys.store(at + 128, new Uint8Array(64).fill(0xbb));
      sys.fsync(fd);
    },
  },
});
