// A write finds the block that a write fault is just putting into the hole; the writer has the hole mapped.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "What a task wrote it finds through its mapping, whoever filled the hole.",
  setup(sys) {
    sys.ftruncate(sys.open("/file", "w+"), 4096);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      const at = sys.mmap(4096, "r", "shared", fd, 0);
      sys.load(at, 16);
      sys.pwrite(fd, new Uint8Array(16).fill(0xaa), 0);
      return sys.load(at, 16);
    },
    storer(sys) {
      const at = sys.mmap(4096, "rw", "shared", sys.open("/file", "r+"), 0);
      sys.store(at + 1024, new Uint8Array(16).fill(0xbb));
    },
  },
});
