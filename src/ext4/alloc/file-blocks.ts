// Blocks for the data of files: from what is set aside for them, else a run that is found now, of which the part
// that was not asked for is set aside.
//
//   a small file    (16 blocks at most) shares runs with all others of its task, so that they lie together
//   any other       has runs of its own: the file's expected size, rounded up, less what is taken of it already
//   fallocate       takes of these, and else exactly what it asks for
//
// Lock: sb.allocMutex, taken here, and a group's inside it; inside inode.dataSem and a handle.   kernel: ext4_mb_new_blocks

import { Errno } from "../../machine/errors.ts";
import { mutexLock, mutexUnlock } from "../../locks/mutex.ts";
import type { Handle } from "../journal/state.ts";
import { groupAt } from "../group.ts";
import { BLOCK_SIZE, superBlock, type SuperBlock } from "../super.ts";
import { findSpace, take, takeFound, type Run } from "./blocks.ts";
import { markUsed } from "./free-map.ts";
import { expectedRange, type Expected } from "./normalize.ts";
import { freeBlockCount } from "./open-group.ts";
import {
  addPreallocation,
  discard,
  dropPreallocation,
  firstOfGroup,
  preallocationAt,
  type Preallocation,
} from "./preallocation.ts";
import type { Wish } from "./search.ts";

/** Blocks of the largest file that shares its runs.  kernel: s_mb_stream_request */
const SMALL_FILE = 16;
/** Blocks that small files set aside together.  kernel: s_mb_group_prealloc */
const GROUP_PREALLOCATION = 512;
/** Of one size (to a power of two), so many of the group's are kept.  kernel: ext4_mb_add_n_trim */
const GROUP_MOST = 8;
const GROUP_KEPT = 5;

export interface FileRequest extends Expected {
  /** Where it would lie best. */
  goal: number;
  /** Nothing is set aside for later. */
  exact: boolean;
}

/** A run that was found, for a range of file blocks. */
interface Found {
  run: Run;
  logical: number;
}

/** Allocates between one and `count` consecutive blocks.  -ENOSPC when none is free. */
export function allocateFileBlocks(handle: Handle, request: FileRequest): Run | number {
  const sb = superBlock(request.inode.mem);
  mutexLock(sb.allocMutex);
  const result = allocate(handle, sb, request);
  mutexUnlock(sb.allocMutex);
  return result;
}

function allocate(handle: Handle, sb: SuperBlock, request: FileRequest): Run | number {
  request.count = affordable(sb, request.count);
  if (request.count === 0) return -Errno.ENOSPC;
  const small = blocksWith(request) <= SMALL_FILE;
  const own = ownPreallocation(request);
  if (own !== undefined) return takeOwn(handle, sb, request, own);
  const shared = small ? nearestOfGroup(sb, request) : undefined;
  if (shared !== undefined) return takeShared(handle, sb, shared, request.count);
  const found = find(sb, request, small);
  return typeof found === "number" ? found : settle(handle, sb, request, found, small);
}

/** As many blocks as are free, by halves.  kernel: ext4_claim_free_clusters */
function affordable(sb: SuperBlock, count: number): number {
  const free = freeBlockCount(sb) - sb.keptBlocks;
  let left = count;
  while (left > 0 && left > free) left >>>= 1;
  return left;
}

/** How many blocks the file will have at least, as sizes go. */
function blocksWith({ inode, logical, count }: FileRequest): number {
  return Math.max(logical + count, Math.ceil(inode.size / BLOCK_SIZE));
}

function ownPreallocation({ inode, logical }: FileRequest): Preallocation | undefined {
  let each = preallocationAt(inode.mem, inode.preallocations);
  while (each !== undefined && !(logical >= each.logical && logical < each.logical + each.length)) {
    each = preallocationAt(inode.mem, each.next);
  }
  return each;
}

/** kernel: ext4_mb_use_inode_pa */
function takeOwn(handle: Handle, sb: SuperBlock, request: FileRequest, from: Preallocation): Run | number {
  const offset = request.logical - from.logical;
  const count = Math.min(request.count, from.length - offset);
  const run = take(handle, sb, { start: from.media + offset, count });
  if (typeof run === "number") return run;
  from.free -= count;
  if (from.free === 0) dropPreallocation(sb, from);
  return run;
}

/** kernel: ext4_mb_check_group_pa */
function nearestOfGroup(sb: SuperBlock, { goal, count }: FileRequest): Preallocation | undefined {
  let nearest: Preallocation | undefined;
  let each = firstOfGroup(sb.mem);
  for (; each !== undefined; each = preallocationAt(sb.mem, each.next)) {
    if (each.free < count) continue;
    if (nearest === undefined || Math.abs(goal - each.media) < Math.abs(goal - nearest.media)) nearest = each;
  }
  return nearest;
}

/** kernel: ext4_mb_use_group_pa */
function takeShared(handle: Handle, sb: SuperBlock, from: Preallocation, count: number): Run | number {
  const run = take(handle, sb, { start: from.media, count });
  if (typeof run === "number") return run;
  from.media += count;
  from.length -= count;
  from.free -= count;
  if (from.free === 0) dropPreallocation(sb, from);
  else trimGroup(sb, from);
  return run;
}

const orderOf = (count: number): number => Math.min(9, 31 - Math.clz32(count));

/** Where one more of a size is one too many, the shortest go. */
function trimGroup(sb: SuperBlock, latest: Preallocation): void {
  const alike: Preallocation[] = [];
  let each = firstOfGroup(sb.mem);
  for (; each !== undefined; each = preallocationAt(sb.mem, each.next)) {
    if (orderOf(each.free) === orderOf(latest.free)) alike.push(each);
  }
  if (alike.length <= GROUP_MOST) return;
  const others = alike.filter(({ at }) => at !== latest.at).toSorted((a, b) => a.free - b.free);
  for (const gone of others.slice(0, alike.length - GROUP_KEPT)) discard(sb, gone);
}

/** Looks for a run, and once more when that needs what is set aside. */
function find(sb: SuperBlock, request: FileRequest, small: boolean): Found | number {
  const range = small || request.exact ? { logical: request.logical, first: 0 } : expectedRange(sb, request);
  const wish: Wish = {
    count: "count" in range ? range.count : small && !request.exact ? GROUP_PREALLOCATION : request.count,
    group: small ? groupNear(sb, request.goal) : sb.streamGroup,
    first: range.first,
    data: true,
  };
  const run = findSpace(sb, wish);
  if (typeof run === "number") return run;
  if (!small) sb.streamGroup = groupAt(sb, run.start);
  return { run, logical: lead(request, range.logical, wish.count, run.count) };
}

const groupNear = (sb: SuperBlock, goal: number): number =>
  goal >= sb.firstDataBlock && goal < sb.blockCount ? groupAt(sb, goal) : 0;

/**
 * Where in the file a run starts that was found for `wanted` blocks from `logical` on and may be shorter: at
 * the range's end if it reaches down to the request, else at its start, else at the request.
 *
 * kernel: ext4_mb_new_inode_pa
 */
function lead(request: FileRequest, logical: number, wanted: number, found: number): number {
  const atEnd = logical + wanted - found;
  if (request.logical >= atEnd) return atEnd;
  return request.logical + request.count <= logical + found ? logical : request.logical;
}

/** Takes what was asked for of a run, and sets the rest aside. */
function settle(
  handle: Handle,
  sb: SuperBlock,
  { inode, logical, count }: FileRequest,
  { run, logical: start }: Found,
  small: boolean,
): Run | number {
  if (run.count <= count) return takeFound(handle, sb, run);
  const offset = small ? 0 : logical - start;
  const taken = Math.min(count, run.count - offset);
  const result = takeFound(handle, sb, { start: run.start + offset, count: taken });
  if (typeof result === "number") return result;
  const free = run.count - taken;
  const rest = small
    ? { logical: 0, media: run.start + taken, length: free, free }
    : { logical: start, media: run.start, length: run.count, free };
  const made = addPreallocation(sb, small ? undefined : inode, rest);
  if (made !== undefined) {
    markUsed(sb, rest.media, rest.length);
    if (small) trimGroup(sb, made);
  }
  return result;
}
