// c7fc0366c656 "ext4: partial zero eof block on unaligned inode size extension": a mapping may store into the
// last page of a file behind the file's end.  Nobody may see these bytes when the file grows.

import { scenario } from "../../../src/lab/scenario.ts";
import type { Sys } from "../../../src/syscalls/sys.ts";
import { Fallocate } from "../../../src/xip/modes.ts";

const BLOCK = 4096;

/** How a file grows, by a name for it. */
const ways: Record<string, (sys: Sys, fd: number) => unknown> = {
  truncate: (sys, fd) => sys.ftruncate(fd, 2 * BLOCK),
  write: (sys, fd) => sys.pwrite(fd, new Uint8Array(1), BLOCK),
  fallocate: (sys, fd) => sys.fallocate(fd, 0, BLOCK, BLOCK),
  "zero-range": (sys, fd) => sys.fallocate(fd, Fallocate.zeroRange, BLOCK, BLOCK),
};

export default scenario(import.meta, {
  claim: "What a mapping stored behind the end of a file does not come into view when the file grows.",
  tasks: {
    grower(sys) {
      for (const [way, grow] of Object.entries(ways)) {
        const fd = sys.open(`/${way}`, "w+");
        sys.pwrite(fd, new Uint8Array(100).fill(0x11), 0);
        const at = sys.mmap(BLOCK, "rw", "shared", fd, 0);
        sys.store(at + 2048, new Uint8Array(16).fill(0xbb));
        grow(sys, fd);
      }
    },
  },
  check(sys) {
    const seen = Object.keys(ways).filter((way) => {
      const bytes = sys.pread(sys.open(`/${way}`, "r"), BLOCK, 0);
      return bytes.includes(0xbb);
    });
    return seen.length === 0 ? undefined : `bytes stored behind the end come into view with ${seen}`;
  },
});
