// States of the media that power failures of our machines leave, given to those who know nothing of us: e2fsck replays the
// journal and has nothing else to mend, Linux mounts them, and both find what our own recovery finds, path by path.

import { readdirSync, lstatSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { check } from "../../../src/ext4/check/check.ts";
import { readTree } from "../../../src/ext4/check/tree.ts";
import { freeze } from "../../../src/ext4/journal/commit.ts";
import { superBlock } from "../../../src/ext4/super.ts";
import { choicesOf } from "../../../src/lab/crash/survivors.ts";
import { Target } from "../../../src/lab/crash/target.ts";
import { header } from "../../../src/machine/layout.ts";
import { MIB } from "../../../src/machine/limits.ts";
import type { Memory } from "../../../src/machine/memory.ts";
import { PowerFailures, type Domain } from "../../../src/machine/pmem/crash.ts";
import { Event, startLog, stopLog } from "../../../src/machine/pmem/log.ts";
import { designs } from "../../../src/xip/designs/index.ts";
import type { Design } from "../../../src/xip/design.ts";
import { e2fsckRecover } from "../../support/e2fsprogs.ts";
import { bootKernel } from "../../support/kernel.ts";
import { filefrags, loopRefusal, mountedByLinux } from "../../support/loop.ts";
import { bareMachine, imageOf } from "../../support/machine.ts";
import { randomFrom, settle, workloads, type Random, type Workload } from "./workloads.ts";

const MEDIA = 8 * MIB; // the smallest with a journal
const DOMAINS: readonly Domain[] = ["adr", "none", "adr", "eadr"];
/** States of one workload. */
const STATES = 11;

const refusal = loopRefusal();
const alsoLinux = refusal === "" ? " and Linux" : ` (Linux is NOT ASKED: ${refusal})`;
if (refusal !== "") console.warn(`Linux' own ext4 is not asked: ${refusal}`);

/** What of a file all have to agree on, by its path. */
interface Seen {
  readonly ino: number;
  readonly mode: number;
  readonly nlink: number;
  readonly size: number;
  readonly blocks: number;
  readonly crc?: number;
  /** Logical block, blocks, physical block, and whether they are unwritten. */
  readonly extents?: readonly (readonly [number, number, number, boolean])[];
}
type Tree = Record<string, Seen>;

const TYPE = 0o170000;
const DIRECTORY = 0o040000;
const FILE = 0o100000;

/** The extents that only a leaf's end parts are one. */
function joined(extents: NonNullable<Seen["extents"]>): NonNullable<Seen["extents"]> {
  const result: [number, number, number, boolean][] = [];
  for (const [logical, length, physical, unwritten] of extents) {
    const last = result.at(-1);
    const goesOn = last?.[0] === logical - (last?.[1] ?? 0) && last[2] + last[1] === physical;
    if (last !== undefined && goesOn && last[3] === unwritten) last[1] += length;
    else result.push([logical, length, physical, unwritten]);
  }
  return result;
}

/** As the media has it. */
function treeOn(mem: Memory): Tree {
  const tree: Tree = {};
  for (const [path, file] of readTree(mem)) {
    const { ino, mode, nlink, size, blocks, extents, content } = file;
    tree[path] = { ino, mode, nlink, size, blocks };
    if ((mode & TYPE) !== FILE) continue;
    const pieces = extents.map((one) => [one.logical, one.length, one.physical, one.unwritten] as const);
    tree[path] = { ...tree[path], crc: crc32(content()), extents: joined(pieces) };
  }
  return tree;
}

/** As Linux shows it. */
function treeIn(folder: string): Tree {
  const tree: Tree = {};
  const files: string[] = [];
  const visit = (path: string): void => {
    const place = join(folder, path);
    const { ino, mode, nlink, size, blocks } = lstatSync(place);
    tree[path] = { ino, mode, nlink, size, blocks };
    if ((mode & TYPE) === FILE) files.push(path);
    if ((mode & TYPE) === DIRECTORY) for (const name of readdirSync(place)) visit(join(path, name));
  };
  visit("/");
  const extents = filefrags(files.map((path) => join(folder, path)));
  for (const [index, path] of files.entries()) {
    const pieces = extents[index]?.map(
      (one) => [one.logical, one.length, one.physical, one.unwritten] as const,
    );
    tree[path] = {
      ...(tree[path] as Seen),
      crc: crc32(readFileSync(join(folder, path))),
      extents: joined(pieces ?? []),
    };
  }
  return tree;
}

/** So many states of a workload's media that differ, and what our own recovery makes of each. */
function* statesOf(
  workload: Workload,
  design: Design,
  domain: Domain,
  random: Random,
): Generator<{ image: Uint8Array; ours: Tree; place: string }> {
  const { mem, sys } = bootKernel(design, MEDIA);
  workload.setup(sys());
  settle(mem, sys());
  const target = new Target(mem, { ...design.options });
  startLog(mem);
  workload.work(sys(), mem);
  stopLog(mem);
  const failures = new PowerFailures(mem, domain);
  const { entries } = failures;
  const fences = entries.flatMap(({ event }, index) => (event === Event.fence ? [index] : []));
  const seen = new Set<number>();
  for (let tries = 0; seen.size < STATES && tries < 10 * STATES; tries++) {
    // Most is open before a fence; now and then anywhere.
    const point = random(4) === 0 ? random(entries.length + 1) : (fences[random(fences.length)] as number);
    const ways = [...choicesOf(failures.pendingAt(point), 6, tries).ways];
    const survivors = ways[random(ways.length)] ?? new Map<number, number>();
    const content = target.fail(failures, point, survivors);
    if (seen.has(content)) continue;
    seen.add(content);
    const image = imageOf(target.mem);
    const place = `${workload.name} under ${design.name}, ${domain}, point ${point}`;
    expect(target.mount(), place).toBe(undefined);
    expect(freeze(superBlock(target.mem)), place).toBe(0);
    expect(check(target.mem), place).toEqual([]);
    yield { image, ours: treeOn(target.mem), place };
  }
}

const all = [...designs.values()];
let asked = 0;

describe("whatever a power failure leaves", () => {
  const theirs = bareMachine({ size: MEDIA });
  test.each(workloads.map((workload, index) => ({ ...workload, index })))(
    `$name: e2fsck${alsoLinux} recover it as we do`,
    (workload) => {
      const { index } = workload;
      const design = all[index % all.length] as Design;
      const domain = DOMAINS[index % DOMAINS.length] as Domain;
      for (const { image, ours, place } of statesOf(workload, design, domain, randomFrom(index))) {
        const { image: mended, findings } = e2fsckRecover(image);
        expect(findings, place).toBe("");
        theirs.write(header(theirs).media.start, mended);
        expect(treeOn(theirs), `${place}, e2fsck`).toEqual(ours);
        if (refusal === "")
          mountedByLinux(image, (folder) => expect(treeIn(folder), place).toEqual(ours), "rw");
        asked += 1;
      }
    },
  );

  test("e2fsck recovered at least 200 states", () => expect(asked).toBeGreaterThanOrEqual(200));
});
