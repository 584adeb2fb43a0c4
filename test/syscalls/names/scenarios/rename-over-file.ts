// A name that moves over another one: whoever opens it meanwhile gets one file or the other.

import { scenario } from "../../../../src/lab/scenario.ts";

export default scenario(import.meta, {
  claim: "While a file is renamed over another one, its name always means one of the two.",
  setup(sys) {
    for (const [path, text] of [
      ["/new", 0xbb],
      ["/file", 0xaa],
    ] as const) {
      const fd = sys.open(path, "w");
      sys.pwrite(fd, new Uint8Array(8).fill(text), 0);
      sys.close(fd);
    }
  },
  tasks: {
    mover(sys) {
      sys.rename("/new", "/file");
    },
    reader(sys) {
      const fd = sys.open("/file", "r");
      const bytes = sys.pread(fd, 8, 0);
      sys.close(fd);
      return bytes[0];
    },
  },
  check(sys, { reader }) {
    if (reader !== 0xaa && reader !== 0xbb) return `the reader got ${String(reader)}`;
    const names = sys.readdir("/").filter((name) => name !== "lost+found");
    return names.join() === "file" ? undefined : `the root has ${names.join()}`;
  },
});
