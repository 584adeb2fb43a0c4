// Any sequence of calls on names and data: ours answers as the model does, and as Linux does where node:fs knows the
// call; and what is left on the media is spotless for e2fsck.

import { afterAll, beforeAll, expect, test } from "vitest";
import * as fc from "fast-check";
import { check } from "../../../src/ext4/check/check.ts";
import { inodesInUse } from "../../../src/ext4/inodes/cache.ts";
import { ROOT_INODE } from "../../../src/ext4/media/inode.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { MIB } from "../../../src/machine/limits.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { imageNow } from "../../ext4/model.ts";
import { e2fsck } from "../../support/e2fsprogs.ts";
import { bootKernel } from "../../support/kernel.ts";
import { Model } from "./model.ts";
import { answersOf, empty, isRoot, type NameCall, nodeWorld, sysWorld, type World } from "./worlds.ts";

const name = fc.constantFrom("a", "b", "c");
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => `/${names.join("/")}`);
const target = fc.constantFrom("a", "b", "a/b", "b/c/a", "c");
const text = fc
  .tuple(fc.constantFrom("x", "yz", "0123456789"), fc.nat(900))
  .map(([word, n]) => word.repeat(n));

const id = fc.constantFrom(-1, 0, 1000, 70_000);
const gift = fc
  .tuple(fc.constantFrom("chown", "lchown"), path, id, id)
  .map(([call, p, uid, gid]): NameCall => [call, p, uid, gid]);

const calls = (flags: fc.Arbitrary<number>): fc.Arbitrary<NameCall> =>
  fc.oneof(
    { weight: 5, arbitrary: path.map((p): NameCall => ["mkdir", p]) },
    { weight: 5, arbitrary: fc.tuple(path, text).map(([p, t]): NameCall => ["put", p, t]) },
    { weight: 2, arbitrary: fc.tuple(path, text).map(([p, t]): NameCall => ["append", p, t]) },
    { weight: 1, arbitrary: fc.tuple(path, fc.nat(9000)).map(([p, n]): NameCall => ["truncate", p, n]) },
    { weight: 8, arbitrary: fc.tuple(path, path, flags).map(([p, q, f]): NameCall => ["rename", p, q, f]) },
    { weight: 3, arbitrary: fc.tuple(path, path).map(([p, q]): NameCall => ["link", p, q]) },
    { weight: 2, arbitrary: fc.tuple(target, path).map(([t, p]): NameCall => ["symlink", t, p]) },
    { weight: 2, arbitrary: path.map((p): NameCall => ["unlink", p]) },
    { weight: 2, arbitrary: path.map((p): NameCall => ["rmdir", p]) },
    {
      weight: 1,
      arbitrary: fc.tuple(path, fc.constantFrom(0o600, 0o4755)).map(([p, m]): NameCall => ["chmod", p, m]),
    },
    ...(isRoot ? [{ weight: 2, arbitrary: gift }] : []),
    { weight: 2, arbitrary: path.map((p): NameCall => ["get", p]) },
    { weight: 1, arbitrary: path.map((p): NameCall => ["stat", p]) },
  );

/** Everything below a directory, as a world shows it. */
function treeOf(world: World, directory = ""): unknown[] {
  return world.list(directory || "/").flatMap((entry) => {
    const here = `${directory}/${entry}`;
    const stat = [...world.lstat(here), ...(isRoot ? world.owners(here) : [])];
    const type = (stat[0] as number) & 0o170000;
    if (type === 0o040000) return [[here, stat], ...treeOf(world, here)];
    return [[here, stat, type === 0o120000 ? world.readlink(here) : world.get(here)]];
  });
}

let umask = 0;
beforeAll(() => {
  umask = process.umask(0o022);
});
afterAll(() => {
  process.umask(umask);
});

const kernel = bootKernel(designs.get("ext4-xip-serialized") as Design, 2 * MIB);
const sys = kernel.sys();
const ours = sysWorld(sys);

/** Makes the calls in a world that was emptied, and shows what is left. */
function play(world: World, sequence: readonly NameCall[]): unknown[] {
  empty(world);
  return [...answersOf(world, sequence), ...treeOf(world)];
}

function expectSpotless(): void {
  expect(check(kernel.mem)).toEqual([]);
  expect(inodesInUse(kernel.mem).map(({ number }) => number)).toEqual([ROOT_INODE]);
}

test("any calls answer as the model and as Linux do, and e2fsck finds nothing", () => {
  const theirs = nodeWorld();
  fc.assert(
    fc.property(fc.array(calls(fc.constant(0)), { maxLength: 40 }), (sequence) => {
      const seen = play(ours, sequence);
      expect(seen).toEqual(play(new Model(), sequence));
      expect(seen).toEqual(play(theirs, sequence));
      expect(e2fsck(imageNow(superBlock(kernel.mem)))).toBe("");
      expectSpotless();
    }),
    { numRuns: 60 },
  );
  theirs.remove();
});

test("names that change places or must not replace: any calls answer as the model does", () => {
  fc.assert(
    fc.property(fc.array(calls(fc.constantFrom(0, 1, 2, 2)), { maxLength: 40 }), (sequence) => {
      expect(play(ours, sequence)).toEqual(play(new Model(), sequence));
      expect(e2fsck(imageNow(superBlock(kernel.mem)))).toBe("");
      expectSpotless();
    }),
    { numRuns: 60 },
  );
});
