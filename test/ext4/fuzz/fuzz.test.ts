// Damaged images by the hundred: refused with a sentence, or mounted and used until a call meets the damage.
// Whatever the bytes say, nothing crashes, nothing runs for ever, nothing outside the image is read or written,
// and who only looks changes nothing.

import { expect, test } from "vitest";
import { damageImages } from "./run.ts";

const COUNT = 330;

test(
  `${COUNT} damaged images end in a result, or in an error that names what is damaged`,
  { timeout: 120_000 },
  async () => {
    const outcome = await damageImages(1, COUNT, 2);
    expect(outcome.failures).toEqual([]);
    // The damage was met: at the mount, and by calls, in every kind of structure.
    expect(outcome.refused).toBeGreaterThan(COUNT / 20);
    expect(outcome.codes).toEqual(expect.arrayContaining(["EUCLEAN", "EFSBADCRC", "SIGBUS"]));
    const said = [...outcome.named, ...outcome.messages].join("\n");
    for (const structure of [
      "superblock",
      "descriptor of group",
      "block bitmap",
      "inode bitmap",
      "inode N",
      "extent tree",
      "directory N",
    ]) {
      expect(said).toContain(structure);
    }
  },
);
