// A read of reserved space, and another task's fsync: what the read has converted becomes durable.

import { scenario } from "../../../src/index.ts";

export default scenario(import.meta, {
  claim: "Reserved space that was read before a power failure reads as zeros after it.",
  setup(sys) {
    const fd = sys.open("/file", "w+");
    try {
      sys.fallocate(fd, 0, 0, 2 * 4096);
    } catch {
      sys.ftruncate(fd, 2 * 4096); // ext2 has no unwritten state
    }
    sys.close(fd);
  },
  tasks: {
    reader(sys) {
      sys.pread(sys.open("/file", "r"), 10, 4096);
    },
    syncer(sys) {
      sys.fsync(sys.open("/file", "r"));
    },
  },
});
