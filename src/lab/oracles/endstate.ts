// Promises 3 to 5, once for each distinct state that runs end in, and the last read of promises 1 and 2.
//
// It looks at the files that the calls of the setup and the run have named:
//
//   1  page table entries, as they are                                 (mappings.ts)
//   2  pread of every file: explained by the history?                  (explain.ts)
//   3  a fresh shared mapping shows the same
//   4  commit; the built-in checker over the bytes of the media
//   5  the bytes of the media, read as the format says, are the same: what any other ext4 would show
//   6  unmount, mount: pread shows the same
//
// A state that was good is not looked at again: only its contents are compared with the history (2).
//
// All of it changes the machine (reads may convert, mounting forgets); restoring the snapshot undoes it.
// Not verified: files that no call named; of a file above 4 MiB, what lies in no extent.

import { Bug } from "../../machine/errors.ts";
import { MAX_DESCRIPTORS, MAX_PROCESSES, HOST_TASK, MIB } from "../../machine/limits.ts";
import type { Memory } from "../../machine/memory.ts";
import { check } from "../../ext4/check/check.ts";
import { freeze } from "../../ext4/journal/commit.ts";
import { readTree } from "../../ext4/check/tree.ts";
import { State } from "../../ext4/extents/extent.ts";
import { lookUp } from "../../ext4/map.ts";
import { PAGE_SIZE } from "../../machine/memory.ts";
import { iget, iput } from "../../ext4/inodes/cache.ts";
import { mount, unmount } from "../../ext4/mount/mount.ts";
import { Mode } from "../../ext4/media/inode.ts";
import { superBlock } from "../../ext4/super.ts";
import { USER_END, USER_START, AddressSpace } from "../../mm/space.ts";
import { unmapRegion } from "../../mm/region.ts";
import { Inode } from "../../ext4/inode.ts";
import { viewAt } from "../../machine/layout.ts";
import { closeDescriptor, processOf } from "../../syscalls/process.ts";
import { setRecording } from "../../syscalls/record.ts";
import { Sys } from "../../syscalls/sys.ts";
import type { Design } from "../../xip/design.ts";
import type { MachineOptions } from "../options.ts";
import { checkHistory, type ByteFinding, type Names } from "./explain.ts";
import { keyOfInode, type CallRead, type RunHistory } from "./history.ts";
import type { InitialFiles } from "./initial.ts";
import { checkMappings } from "./mappings.ts";
import type { Finding } from "./promises.ts";

/** Of a larger file not everything is compared. */
export const WHOLE = 4 * MIB;
/** Later than every call's end, however long the run. */
const AFTER = 2 ** 40;

export interface EndStateInput {
  readonly mem: Memory;
  readonly design: Design;
  readonly options: MachineOptions;
  readonly history: RunHistory;
  readonly initial: InitialFiles;
  readonly names: Names;
  /** The hash of the state. */
  readonly endState: number;
  readonly good: GoodStates;
  /** Paths that calls have named, whether they exist or not. */
  readonly paths: readonly string[];
  /** The scenario's own check, run on the state as the tasks left it. */
  readonly claim: (sys: Sys) => Finding | undefined;
}

interface Piece {
  readonly path: string;
  readonly key: string;
  readonly position: number;
  readonly bytes: Uint8Array;
}

/**
 * What files hold in end states that have kept promises 3 to 5: runs that end in one of them again, after other
 * calls in another order, are compared with that alone.  Looking at a state takes some milliseconds,
 * comparing a tenth of one.
 */
export class GoodStates {
  readonly #pieces = new Map<string, readonly Piece[]>();

  get(endState: number, paths: readonly string[]): readonly Piece[] | undefined {
    return this.#pieces.get(keyOfState(endState, paths));
  }

  add(endState: number, paths: readonly string[], pieces: readonly Piece[]): void {
    // Contents are kept, so only those of the latest states.
    const [oldest] = this.#pieces.keys();
    if (this.#pieces.size === MAX_GOOD && oldest !== undefined) this.#pieces.delete(oldest);
    this.#pieces.set(keyOfState(endState, paths), pieces);
  }
}

const MAX_GOOD = 64;
const keyOfState = (endState: number, paths: readonly string[]): string => `${endState} ${paths.join("\0")}`;

/** The first promise that the state the tasks left does not keep. */
export function checkEndState(input: EndStateInput): Finding | undefined {
  setRecording(input.mem, false);
  try {
    return look(input);
  } catch (error) {
    if (!(error instanceof Bug)) throw error;
    return { promise: "no-bug", message: `looking at what the run left: ${error.message}` };
  }
}

function look(input: EndStateInput): Finding | undefined {
  const { mem, design, endState, good, names, paths } = input;
  const sys = new Sys(mem, design, HOST_TASK);
  const known = good.get(endState, paths);
  if (known !== undefined) return located(mem, unexplained(input, known)) ?? input.claim(sys);
  const mapped = checkMappings(mem, names);
  if (mapped !== undefined) return mapped;
  const claimed = input.claim(sys);
  const pieces = readAll(sys, mem, paths);
  if (!Array.isArray(pieces)) return pieces;
  const wrong = located(mem, unexplained(input, pieces)) ?? claimed;
  if (wrong !== undefined) return wrong;
  const differs =
    compareMapping(sys, pieces) ?? compareMedia(input, sys, pieces) ?? compareMountedAnew(input, pieces);
  if (differs === undefined) good.add(endState, paths, pieces);
  return differs;
}

/** What a read of the files after the run gives that the run's calls do not explain. */
function unexplained(
  { history, initial, names }: EndStateInput,
  pieces: readonly Piece[],
): ByteFinding | undefined {
  const reads = pieces.map(({ key, position, bytes }): CallRead => ({
    begin: AFTER,
    end: AFTER + 1,
    position,
    length: bytes.length,
    bytes,
    call: undefined,
    file: key,
  }));
  return checkHistory(history, reads, initial, names, "a read of the file after the run");
}

const located = (mem: Memory, finding: ByteFinding | undefined): Finding | undefined =>
  finding && { ...finding, ...placeOf(mem, finding) };

/** Where the byte of a finding lies on the media now. */
function placeOf(mem: Memory, { file, position }: ByteFinding): { mediaBlock?: number } {
  const inode = iget(superBlock(mem), Number(file.split(":")[0]));
  if (typeof inode === "number") return {};
  const block = Math.floor(position / PAGE_SIZE);
  const extent = lookUp(inode, block);
  iput(inode);
  if (typeof extent === "number" || extent.state === State.hole) return {};
  return { mediaBlock: extent.media + block - extent.start };
}

const differ = (message: string): Finding => ({ promise: "doors-agree", message });

/** Runs one door; what it throws as a system call's error is a finding, not ours. */
function through<T>(door: string, path: string, work: () => T): T | Finding {
  try {
    return work();
  } catch (error) {
    if ((error as Error).name !== "SysError") throw error;
    return differ(`${door} of ${path} failed: ${(error as Error).message}`);
  }
}

const isFinding = (value: unknown): value is Finding =>
  typeof value === "object" && value !== null && "promise" in value;

function readAll(sys: Sys, mem: Memory, paths: readonly string[]): Piece[] | Finding {
  const pieces: Piece[] = [];
  for (const path of paths) {
    const found = through("pread", path, () => readFile(sys, mem, path));
    if (isFinding(found)) return found;
    pieces.push(...found);
  }
  return pieces;
}

function readFile(sys: Sys, mem: Memory, path: string): Piece[] {
  const key = keyOf(sys, mem, path);
  if (key === undefined) return [];
  const fd = sys.open(path, "r");
  const pieces = rangesOf(sys, fd).map(([position, end]) => ({
    path,
    key,
    position,
    bytes: sys.pread(fd, end - position, position),
  }));
  sys.close(fd);
  return pieces;
}

/** The file's key; undefined when there is no regular file of that path. */
function keyOf(sys: Sys, mem: Memory, path: string): string | undefined {
  let ino: number;
  try {
    const stat = sys.stat(path);
    if ((stat.mode & Mode.type) !== Mode.file) return undefined;
    ino = stat.ino;
  } catch (error) {
    // Names come and go, and a file may have taken the place of a directory.
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes((error as { code?: string }).code ?? "")) return undefined;
    throw error;
  }
  return keyOfInode(mem, ino);
}

/** What is read of a file: all of it, or, of a large one, its extents and its end. */
function rangesOf(sys: Sys, fd: number): [number, number][] {
  const { size } = sys.fstat(fd);
  if (size <= WHOLE) return size === 0 ? [] : [[0, size]];
  const ranges = sys
    .fiemap(fd)
    .filter(({ logical }) => logical < size)
    .map(({ logical, length }): [number, number] => [logical, Math.min(size, logical + length)]);
  return [...ranges, [size - 1, size]];
}

const hex = (value: number): string => `0x${value.toString(16).padStart(2, "0")}`;

function compare(path: string, piece: Piece, door: string, bytes: Uint8Array): Finding | undefined {
  if (Buffer.compare(piece.bytes, bytes) === 0) return undefined;
  const wrong = piece.bytes.findIndex((value, i) => bytes[i] !== value);
  if (wrong < 0 || bytes[wrong] === undefined) {
    return differ(`${path}: pread gives ${piece.bytes.length} bytes, ${door} ${bytes.length}`);
  }
  const [here, there] = [piece.bytes[wrong] as number, bytes[wrong] as number];
  return differ(
    `byte ${piece.position + wrong} of ${path} is ${hex(here)} for pread, ${hex(there)} for ${door}`,
  );
}

function compareMapping(sys: Sys, pieces: readonly Piece[]): Finding | undefined {
  for (const piece of pieces) {
    const { path, position, bytes } = piece;
    const page = position - (position % PAGE_SIZE);
    const loaded = through("a load through a fresh mapping", path, () => {
      const fd = sys.open(path, "r");
      const at = sys.mmap(position + bytes.length - page, "r", "shared", fd, page);
      sys.close(fd);
      const found = sys.load(at + position - page, bytes.length);
      sys.munmap(at, position + bytes.length - page);
      return found;
    });
    const finding = isFinding(loaded) ? loaded : compare(path, piece, "a fresh mapping", loaded);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

function compareMedia(
  { mem, paths }: EndStateInput,
  sys: Sys,
  pieces: readonly Piece[],
): Finding | undefined {
  const failed = freeze(superBlock(mem));
  if (failed < 0) return differ(`the file system cannot be synced: error ${-failed}`);
  const [problem] = check(mem);
  if (problem !== undefined)
    return { promise: "consistent", message: `${problem.place}: ${problem.message}` };
  if (paths.length === 0) return undefined;
  const tree = readTree(mem);
  for (const path of paths) {
    const [here, there] = [sizeOf(sys, path), tree.get(path)];
    if (here !== undefined && there !== undefined && here !== there.size)
      return differ(`${path} has ${here} bytes for stat, ${there.size} for who reads the image`);
  }
  for (const piece of pieces) {
    const file = tree.get(piece.path);
    if (file === undefined) return differ(`${piece.path} is not in the image`);
    const bytes = file.content().subarray(piece.position, piece.position + piece.bytes.length);
    const finding = compare(piece.path, piece, "who reads the image", bytes);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

/** The size of the regular file of a path; undefined when there is none. */
function sizeOf(sys: Sys, path: string): number | undefined {
  try {
    const { mode, size } = sys.lstat(path);
    return (mode & Mode.type) === Mode.file ? size : undefined;
  } catch {
    return undefined; // whatever keeps it from being found, `keyOf` has met
  }
}

function compareMountedAnew(
  { mem, design, options }: EndStateInput,
  pieces: readonly Piece[],
): Finding | undefined {
  if (pieces.length === 0) return undefined;
  for (let process = 0; process < MAX_PROCESSES; process++) endProcess(mem, process);
  const sb = superBlock(mem);
  if (unmount(sb) < 0) return differ("the file system cannot be unmounted after every process has ended");
  const mounted = mount(mem, options);
  if (!("mounted" in mounted)) return differ(`the image cannot be mounted anew: ${mounted.message}`);
  const sys = new Sys(mem, design, HOST_TASK);
  for (const piece of pieces) {
    const { path, position } = piece;
    const bytes = through("pread after a new mount", path, () => {
      const fd = sys.open(path, "r");
      const found = sys.pread(fd, piece.bytes.length, position);
      sys.close(fd);
      return found;
    });
    const finding = isFinding(bytes) ? bytes : compare(path, piece, "pread after a new mount", bytes);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

/** Takes a process's descriptors and mappings away, as its end does. */
export function endProcess(mem: Memory, index: number): void {
  const process = processOf(mem, index);
  const put = (at: number): void => {
    iput(viewAt(mem, Inode, at));
  };
  for (let fd = 0; fd < MAX_DESCRIPTORS; fd++) {
    const inodeAt = closeDescriptor(process, fd);
    if (inodeAt > 0) put(inodeAt);
  }
  unmapRegion(viewAt(mem, AddressSpace, process.spaceAt), USER_START, USER_END - USER_START, put);
}
