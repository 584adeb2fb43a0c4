// A conversion in the middle splits the extent; its neighbours are asked for at the same time.

import { scenario } from "../../scenario.ts";
import { BLOCK, filled, preallocated } from "../bytes.ts";

export default scenario(import.meta, {
  claim: "Around a block written in the middle the extents stay in order, and neighbours of one state merge.",
  setup(sys) {
    preallocated(sys, "/file", 7 * BLOCK);
  },
  tasks: {
    writer(sys) {
      sys.pwrite(sys.open("/file", "r+"), filled(BLOCK, 0xaa), 3 * BLOCK);
    },
    left(sys) {
      return sys.pread(sys.open("/file", "r"), BLOCK, 2 * BLOCK);
    },
    right(sys) {
      return sys.pread(sys.open("/file", "r"), BLOCK, 4 * BLOCK);
    },
  },
  check(sys) {
    const extents = sys.fiemap(sys.open("/file", "r"));
    const middle = extents.find(
      ({ logical, length }) => logical <= 3 * BLOCK && 3 * BLOCK < logical + length,
    );
    if (middle === undefined || middle.unwritten) return "the block that was written is not marked written";
    const twins = extents.find((extent, index) => {
      const next = extents[index + 1];
      return (
        next !== undefined &&
        next.unwritten === extent.unwritten &&
        next.logical === extent.logical + extent.length &&
        next.physical === extent.physical + extent.length
      );
    });
    return twins === undefined
      ? undefined
      : `the extents on both sides of byte ${twins.logical + twins.length} are one, but were not merged`;
  },
});
