// Two moves between the same directories, each the other way round, and a removal beside them.

import { scenario } from "../../../../src/lab/scenario.ts";

export default scenario(import.meta, {
  claim: "Directories that move into each other never deadlock, nor come loose from the tree.",
  setup(sys) {
    for (const path of ["/a", "/b", "/a/x", "/b/y"]) sys.mkdir(path);
  },
  tasks: {
    one(sys) {
      return attempt(() => sys.rename("/a", "/b/y/a"));
    },
    other(sys) {
      return attempt(() => sys.rename("/b", "/a/x/b"));
    },
  },
  check(sys, { one, other }) {
    const moved = [one, other].filter((code) => code === "none").length;
    if (moved !== 1) return `${moved} of the moves went through: ${String(one)}, ${String(other)}`;
    sys.stat(one === "none" ? "/b/y/a/x" : "/a/x/b/y");
    return undefined;
  },
});

function attempt(call: () => void): string {
  try {
    call();
    return "none";
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === undefined) throw error;
    return code;
  }
}
