// A block of an extent tree is freed and holds a file's data next: what the log has of it must not come back.

import { scenario } from "../../../scenario.ts";
import { BLOCK, filled } from "../../bytes.ts";

export default scenario(import.meta, {
  claim:
    "What lies in a block that was metadata before survives the replay of a journal that still has that.",
  tasks: {
    writer(sys) {
      const scattered = sys.open("/scattered", "w+");
      for (let i = 0; i < 5; i++) sys.pwrite(scattered, filled(BLOCK, 0x11), 2 * i * BLOCK);
      sys.fsync(scattered);
      sys.ftruncate(scattered, 0);
      sys.fsync(scattered);
      const next = sys.open("/next", "w+");
      sys.pwrite(next, filled(8 * BLOCK, 0x22), 0);
      sys.fsync(next);
    },
  },
});
