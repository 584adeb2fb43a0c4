// One task's fsync cleans the page that another has just stored to, and stores to again.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "What was stored while another task's fsync cleaned the page survives after the storer's own fsync.",
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
      sys.store(at, new Uint8Array(64).fill(0xbb));
      sys.fsync(fd);
    },
    syncer(sys) {
      sys.fsync(sys.open("/file", "r+"));
    },
  },
});
