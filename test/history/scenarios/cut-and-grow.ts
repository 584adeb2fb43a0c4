// A file is cut within a block, and grows again: its old bytes must not come back into view.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim:
    "After a file was cut and has grown again, no power failure brings what it held behind the cut into view.",
  setup(sys) {
    const fd = sys.open("/file", "w+");
    sys.pwrite(fd, new Uint8Array(4096).fill(0x11), 0);
    sys.close(fd);
  },
  tasks: {
    cutter(sys) {
      const fd = sys.open("/file", "r+");
      sys.ftruncate(fd, 64);
      sys.ftruncate(fd, 4096);
      sys.fsync(fd);
    },
  },
});
