// An open that has found its inode in memory, while the last who had it open goes and the inode's place is given to
// another.

import { scenario } from "../../../../src/lab/scenario.ts";

export default scenario(import.meta, {
  claim: "An open gets the file of the name, whatever becomes of the place in memory where it found it.",
  setup(sys) {
    for (const [path, byte] of [
      ["/one", 0x11],
      ["/two", 0x22],
    ] as const) {
      const fd = sys.open(path, "w");
      sys.pwrite(fd, new Uint8Array(8).fill(byte), 0);
      sys.close(fd);
    }
  },
  tasks: {
    user(sys) {
      sys.close(sys.open("/one", "r"));
      sys.open("/two", "r");
    },
    reader(sys) {
      const fd = sys.open("/one", "r");
      const bytes = sys.pread(fd, 8, 0);
      sys.close(fd);
      return bytes[0];
    },
  },
  check(_sys, { reader }) {
    return reader === 0x11 ? undefined : `the reader got ${String(reader)}`;
  },
});
