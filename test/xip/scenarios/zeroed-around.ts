// Conversion that takes neighbours along (extent_max_zeroout_kb), which may have a zero page mapped from when they were holes.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim:
    "A process that has loaded zeros from a hole sees what is written there, whatever was written next door.",
  options: { extent_max_zeroout_kb: 32 },
  setup(sys) {
    sys.ftruncate(sys.open("/file", "w+"), 16_384);
  },
  tasks: {
    loader(sys) {
      const at = sys.mmap(16_384, "r", "shared", sys.open("/file", "r"), 0);
      sys.load(at, 16);
      sys.load(at, 16);
      sys.munmap(at, 16_384);
    },
    writer(sys) {
      const fd = sys.open("/file", "r+");
      sys.fallocate(fd, 0, 0, 16_384);
      sys.pwrite(fd, new Uint8Array(16).fill(0xaa), 4096);
      sys.pwrite(fd, new Uint8Array(16).fill(0xbb), 0);
    },
  },
});
