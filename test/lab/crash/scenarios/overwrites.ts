// Overwrites of written bytes, in place: one that a power failure cannot cut, and one that it can.

import { scenario } from "../../../../src/index.ts";

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

export default scenario(import.meta, {
  claim: "An overwrite in place is there in words of eight bytes, and whole after fsync.",
  setup(sys) {
    sys.pwrite(sys.open("/file", "w+"), bytes(4096, 0x11), 0);
  },
  tasks: {
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.pwrite(fd, bytes(8, 0xaa), 64);
      sys.fsync(fd);
      sys.pwrite(fd, bytes(128, 0xbb), 1024);
      sys.fsync(fd);
    },
  },
});
