// 5726b27b09cc "ext2: Add locking for DAX faults" and ea3d7209ca01 "ext4: fix races between page faults and
// hole punching": a block is freed while a reader or a page table still has its address.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, written } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Who reads a file that is truncated sees its own old bytes or none, never another file's.",
  setup(sys) {
    written(sys, "/old", filled(BLOCK, 0x11));
    written(sys, "/new", new Uint8Array(0));
  },
  tasks: {
    reader(sys) {
      return sys.pread(sys.open("/old", "r"), 512, 0);
    },
    loader(sys) {
      const at = sys.mmap(BLOCK, "r", "shared", sys.open("/old", "r"), 0);
      return loadedOrSigbus(() => sys.load(at, 64));
    },
    truncater(sys) {
      sys.truncate("/old", 0);
      sys.sync(); // a freed block is free for others once the transaction is committed
      sys.pwrite(sys.open("/new", "r+"), filled(BLOCK, 0x22), 0);
    },
  },
});

/** Behind the end of a file, a load ends in SIGBUS; that is right here. */
function loadedOrSigbus(load: () => Uint8Array): Uint8Array | string {
  try {
    return load();
  } catch (error) {
    if ((error as { code?: string }).code === "SIGBUS") return "SIGBUS";
    throw error;
  }
}
