// What dax-6.1 says of a file is what Linux 6.1 said, after every single call: result, error, size, content,
// loaded bytes, and which blocks the file has.  Which of them are unwritten is in placement.test.ts.

import { expect, test } from "vitest";
import type { Design } from "../../src/xip/design.ts";
import { designs } from "../../src/xip/designs/index.ts";
import { e2fsck } from "../support/e2fsprogs.ts";
import { bootKernel } from "../support/kernel.ts";
import { cleanImage } from "../support/machine.ts";
import { Player, recorded } from "./player.ts";
import { readTraces } from "./traces.ts";

const design = designs.get("dax-6.1") as Design;
const traces = readTraces();

let played = 0;

test.each(traces.map((trace) => [trace.header.trace, trace] as const))(
  "trace %i goes as in Linux 6.1",
  (_number, trace) => {
    const { mem, sys } = bootKernel(design, 64 * 1024 * 1024);
    const player = new Player(sys(), trace);
    trace.calls.forEach((call, index) => {
      const { kinds: _, places: __, ...seen } = player.play(call);
      const { kinds: ___, places: ____, ...expected } = recorded(call);
      const context = `call ${index + 1}: ${JSON.stringify({ ...call, extents: undefined })}`;
      expect(seen, context).toEqual(expected);
      played += 1;
    });
    player.sys.fsync(player.fd);
    expect(e2fsck(cleanImage(mem))).toBe("");
  },
);

test("every recorded call has been played", () => {
  const all = traces.reduce((sum, trace) => sum + trace.calls.length, 0);
  expect(played).toBe(all);
});
