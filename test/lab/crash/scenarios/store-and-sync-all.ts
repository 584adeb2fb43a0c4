// Stores through mappings of two files, of which one is closed again, and sync: it has to find both.

import { scenario } from "../../../../src/index.ts";

const block = (value: number): Uint8Array => new Uint8Array(4096).fill(value);

export default scenario(import.meta, {
  claim: "What was stored through mappings of any file before sync survives a power failure.",
  setup(sys) {
    for (const path of ["/kept", "/closed"]) sys.pwrite(sys.open(path, "w+"), block(0x11), 0);
  },
  tasks: {
    storer(sys) {
      for (const path of ["/kept", "/closed"]) {
        const fd = sys.open(path, "r+");
        const at = sys.mmap(4096, "rw", "shared", fd, 0);
        sys.store(at, new Uint8Array(64).fill(0xaa));
        if (path === "/kept") continue;
        sys.munmap(at, 4096);
        sys.close(fd);
      }
      sys.sync();
    },
  },
});
