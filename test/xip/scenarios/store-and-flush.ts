// A program that makes its stores durable itself, as with libpmem: no fsync.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "What was stored through a mapping with MAP_SYNC, flushed and drained survives a power failure.",
  setup(sys) {
    sys.fallocate(sys.open("/file", "w+"), 0, 0, 8192);
  },
  tasks: {
    storer(sys) {
      const at = sys.mmap(8192, "rw", "sync", sys.open("/file", "r+"), 0);
      sys.store(at + 4096, new Uint8Array(128).fill(0xaa));
      sys.flush(at + 4096, 128);
      sys.drain();
      sys.store(at + 4096, new Uint8Array(8).fill(0xbb));
      sys.flush(at + 4096, 8);
      sys.drain();
    },
  },
});
