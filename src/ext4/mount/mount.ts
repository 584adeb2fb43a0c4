// Mount and unmount.  Mount believes nothing: every number of the superblock and of the group
// descriptors is checked against the others and against the media's size before anything uses it, so
// that the code behind it may index with them.

import { errnoName } from "../../machine/errors.ts";
import { header, allocate, allocateControl, Root, setRoot } from "../../machine/layout.ts";
import type { Memory } from "../../machine/memory.ts";
import { mediaAt } from "../../machine/pmem.ts";
import { LockClass } from "../../locks/classes.ts";
import { initMutex } from "../../locks/mutex.ts";
import { clearFreeMap, initFreeMap } from "../alloc/free-map.ts";
import { initPreallocations } from "../alloc/preallocation.ts";
import { dropAllBuffers, getBuffer, initBuffers, Kind, releaseBuffer, bufferAt, setKind } from "../buffer.ts";
import { damaged, initFindings, takeFinding } from "../damage.ts";
import { isDirectory } from "../inode.ts";
import { iget, inodeAt, iput } from "../inodes/cache.ts";
import { commit } from "../journal/commit.ts";
import { initJournal } from "../journal/state.ts";
import { checkGroups } from "./groups.ts";
import { ROOT_INODE } from "../media/inode.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "../media/superblock.ts";
import { recoverJournal, type Recovery } from "../journal/recovery/recover.ts";
import { BLOCK_SHIFT, BLOCK_SIZE, SuperBlock, superBlock } from "../super.ts";
import { cleanUpOrphans } from "./orphans.ts";
import { readSuperBlock, wrongState } from "./superblock.ts";

/** Mount options and tunables, by their Linux names. */
export interface MountOptions {
  /** Zero out and write a short unwritten extent whole rather than split it, up to so many KiB.  0: never. */
  readonly extent_max_zeroout_kb?: number;
  /** Allocate as Linux does: set blocks aside for what files will want, reuse freed ones after a commit only.  0: no. */
  readonly mballoc?: number;
}

/** Why an image is not mounted, in one sentence. */
export interface MountError {
  readonly message: string;
}

/** Makes the file system's long-lived structs and the empty buffer cache.  At boot. */
export function initSuperBlock(mem: Memory): void {
  setRoot(mem, Root.superblock, allocate(mem, SuperBlock));
  const sb = superBlock(mem);
  initMutex(sb.allocMutex, LockClass["sb.allocMutex"]);
  initMutex(sb.orphanMutex, LockClass["sb.orphanMutex"]);
  initMutex(sb.renameMutex, LockClass["sb.renameMutex"]);
  initMutex(sb.sparseMutex, LockClass["sb.sparseMutex"]);
  sb.ownBlocksAt = allocateControl(mem, Math.ceil(header(mem).media.length / BLOCK_SIZE / 8));
  initFindings(mem);
  initFreeMap(mem);
  initPreallocations(mem);
  initBuffers(mem);
  initJournal(mem);
}

/** Mounts the image that lies on the media.  A machine has one file system, so it must not be mounted. */
export function mount(mem: Memory, options: MountOptions = {}): SuperBlock | MountError {
  const sb = superBlock(mem);
  if (sb.mounted !== 0) return { message: "the machine's file system is mounted already" };
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  const recovered = recover(mem);
  if (typeof recovered === "string") return { message: recovered };
  const state = wrongState(raw);
  if (state !== undefined) {
    dropAllBuffers(mem);
    return { message: state };
  }
  sb.zerooutKb = options.extent_max_zeroout_kb ?? 0;
  sb.mballoc = options.mballoc ?? 0;
  clearFreeMap(sb);
  const buffer = getBuffer(sb, SUPERBLOCK_OFFSET >>> BLOCK_SHIFT);
  if (typeof buffer === "number") return { message: "there is no memory for the superblock" };
  setKind(buffer, Kind.superblock);
  sb.superBuffer = buffer.at;
  const damage = checkGroups(sb, raw);
  if (damage !== undefined) {
    forgetAll(sb);
    return { message: damage };
  }
  const root = keepRoot(sb);
  if (root < 0) {
    forgetAll(sb);
    const why = takeFinding(mem, root) ?? "the root directory cannot be read";
    return { message: `${why} (${errnoName(root)}): run e2fsck on the image first` };
  }
  sb.mounted = 1;
  const orphans = cleanUpOrphans(sb);
  if (orphans === undefined) return sb;
  unmount(sb);
  return { message: orphans };
}

/**
 * Brings the media of a machine on which nothing is mounted to what its journal says, and fills the superblock
 * in: what was done, undefined when there was nothing to do, or why the image is refused.
 */
export function recover(mem: Memory): Recovery | string | undefined {
  const sb = superBlock(mem);
  const raw = RawSuperBlock.of(mem, mediaAt(mem, SUPERBLOCK_OFFSET));
  const { length } = header(mem).media;
  const wrong = readSuperBlock(sb, raw, length);
  if (wrong !== undefined) return wrong;
  const journal = recoverJournal(sb, raw);
  // Group descriptors are checked after recovery, which may mend them; one that hides the journal is said first.
  const recovered = typeof journal === "string" ? (checkGroups(sb, raw) ?? journal) : journal;
  const result = typeof recovered === "object" ? (readSuperBlock(sb, raw, length) ?? recovered) : recovered;
  if (typeof result === "string") dropAllBuffers(mem);
  return result;
}

/** Takes the reference that keeps the root directory's inode in memory.  Returns 0.  kernel: sb->s_root */
function keepRoot(sb: SuperBlock): number {
  const root = iget(sb, ROOT_INODE);
  if (typeof root === "number") return root;
  if (!isDirectory(root)) {
    iput(root);
    return damaged(sb.mem, "rootType", ROOT_INODE);
  }
  sb.rootAt = root.at;
  return 0;
}

function forgetAll(sb: SuperBlock): number {
  releaseBuffer(bufferAt(sb.mem, sb.superBuffer));
  sb.superBuffer = 0;
  return dropAllBuffers(sb.mem);
}

/** Writes what has changed and forgets all buffers.  -EBUSY while somebody holds one: it stays mounted. */
export function unmount(sb: SuperBlock): number {
  const result = commit(sb);
  if (result < 0) return result;
  const { superBuffer } = sb;
  iput(inodeAt(sb.mem, sb.rootAt));
  const busy = forgetAll(sb);
  if (busy < 0) {
    const again = getBuffer(sb, SUPERBLOCK_OFFSET >>> BLOCK_SHIFT);
    sb.superBuffer = typeof again === "number" ? superBuffer : again.at;
    keepRoot(sb);
    return busy;
  }
  sb.mounted = 0;
  return 0;
}

type Raw = RawSuperBlock;

/** What says that this is no file system of ours, whatever its sizes are. */
function refusal(raw: Raw): string | undefined {
  if (raw.s_magic !== SUPERBLOCK_MAGIC) {
    return `this is no ext4 image: its magic number is 0x${raw.s_magic.toString(16)}, not 0xef53`;
  }
  const features = unsupportedFeatures(raw.s_feature_incompat, raw.s_feature_ro_compat);
  const sum = wrongSum(raw);
  if (features.length > 0) {
    return `the image has features that are not supported: ${features.join(", ")}${sum === undefined ? "" : ` (and ${sum})`}`;
  }
  if (sum !== undefined) return sum;
  if ((raw.s_feature_incompat & Incompat.needs_recovery) !== 0) {
    return "the image's journal needs recovery (needs_recovery), which is not supported yet: run e2fsck on it first";
  }
  if (raw.s_journal_dev !== 0) return "the image's journal is on another device, which is not supported";
  if ((raw.s_state & STATE_ERROR) !== 0)
    return "the image is marked as having errors: run e2fsck on it first";
  if ((raw.s_state & STATE_VALID) === 0) {
    return "the image was not unmounted cleanly: run e2fsck on it first";
  }
  return undefined;
}

function wrongSum(raw: Raw): string | undefined {
  if ((raw.s_feature_ro_compat & ReadOnlyCompat.metadata_csum) === 0) return undefined;
  if (raw.s_checksum_type !== CHECKSUM_CRC32C) {
    return `the superblock names an unknown kind of checksum: ${raw.s_checksum_type}`;
  }
  const sum = superBlockSum(raw.mem, raw.at);
  return raw.s_checksum === sum ? undefined : "the superblock's checksum is wrong";
}

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

const wrongField = (name: keyof Raw & string, value: number): string =>
  `the superblock is damaged: ${name} is ${value}`;

/** The first number of the superblock that does not fit the others or the media. */
function wrongSizes(raw: Raw, mediaLength: number): string | undefined {
  if (raw.s_rev_level !== 1)
    return `the image is of revision ${raw.s_rev_level}, only revision 1 is supported`;
  if (raw.s_log_block_size > 6) return wrongField("s_log_block_size", raw.s_log_block_size);
  if (raw.s_log_block_size !== 2) {
    return `the image has blocks of ${1024 << raw.s_log_block_size} bytes, only ${BLOCK_SIZE} are supported`;
  }
  const blocks = raw.s_blocks_count_lo;
  if (raw.s_blocks_count_hi !== 0) return wrongField("s_blocks_count_hi", raw.s_blocks_count_hi);
  if (blocks * BLOCK_SIZE > mediaLength) {
    return `the image is truncated: its file system has ${blocks} blocks, the image ${Math.floor(mediaLength / BLOCK_SIZE)}`;
  }
  const bits = BLOCK_SIZE * 8;
  const perGroup = raw.s_blocks_per_group;
  const inodes = raw.s_inodes_per_group;
  const inodeSize = raw.s_inode_size;
  const groups = Math.ceil(blocks / perGroup);
  const wide = (raw.s_feature_incompat & Incompat["64bit"]) !== 0;
  const descriptor = wide ? raw.s_desc_size : SHORT_DESCRIPTOR;
  const descriptorBlocks = Math.ceil(groups / (BLOCK_SIZE / descriptor));
  const orphanLimit = raw.s_inodes_count;
  const rules: [keyof Raw & string, boolean][] = [
    ["s_log_cluster_size", raw.s_log_cluster_size === raw.s_log_block_size],
    ["s_first_data_block", raw.s_first_data_block === 0],
    ["s_blocks_per_group", perGroup >= 8 && perGroup <= bits && perGroup % 8 === 0],
    ["s_clusters_per_group", raw.s_clusters_per_group === perGroup],
    ["s_inode_size", isPowerOfTwo(inodeSize) && inodeSize >= OLD_INODE_SIZE && inodeSize <= BLOCK_SIZE],
    ["s_inodes_per_group", inodes >= BLOCK_SIZE / inodeSize && inodes <= bits && inodes % 8 === 0],
    ["s_inodes_count", raw.s_inodes_count === inodes * groups],
    ["s_first_ino", raw.s_first_ino >= 11 && raw.s_first_ino <= inodes],
    [
      "s_desc_size",
      isPowerOfTwo(descriptor) && descriptor >= (wide ? RawGroup.size : 32) && descriptor <= 1024,
    ],
    ["s_reserved_gdt_blocks", raw.s_reserved_gdt_blocks <= BLOCK_SIZE / 4],
    ["s_blocks_count_lo", 1 + descriptorBlocks + raw.s_reserved_gdt_blocks < Math.min(blocks, perGroup)],
    ["s_last_orphan", raw.s_last_orphan <= orphanLimit],
    ["s_journal_inum", raw.s_journal_inum <= raw.s_inodes_count],
    [
      "s_want_extra_isize",
      inodeSize === OLD_INODE_SIZE || raw.s_want_extra_isize <= inodeSize - OLD_INODE_SIZE,
    ],
  ];
  const broken = rules.find(([, holds]) => !holds);
  return broken === undefined ? undefined : wrongField(broken[0], raw[broken[0]] as number);
}

function fillIn(sb: SuperBlock, raw: Raw): void {
  const wide = (raw.s_feature_incompat & Incompat["64bit"]) !== 0;
  sb.blockSize = BLOCK_SIZE;
  sb.blockCount = raw.s_blocks_count_lo;
  sb.firstDataBlock = raw.s_first_data_block;
  sb.blocksPerGroup = raw.s_blocks_per_group;
  sb.groupCount = Math.ceil((sb.blockCount - sb.firstDataBlock) / sb.blocksPerGroup);
  sb.inodesPerGroup = raw.s_inodes_per_group;
  sb.inodeCount = raw.s_inodes_count;
  sb.inodeSize = raw.s_inode_size;
  sb.wantExtraSize = sb.inodeSize === OLD_INODE_SIZE ? 0 : raw.s_want_extra_isize;
  sb.firstInode = raw.s_first_ino;
  sb.descriptorSize = wide ? raw.s_desc_size : SHORT_DESCRIPTOR;
  sb.descriptorBlocks = Math.ceil(sb.groupCount / (BLOCK_SIZE / sb.descriptorSize));
  sb.featureCompat = raw.s_feature_compat;
  sb.featureIncompat = raw.s_feature_incompat;
  sb.featureReadOnly = raw.s_feature_ro_compat;
  const flexible = (sb.featureIncompat & Incompat.flex_bg) !== 0;
  sb.groupsPerFlex = flexible ? 2 ** Math.min(31, raw.s_log_groups_per_flex) : 1;
  const keeps = (sb.featureCompat & (Compat.resize_inode | Compat.sparse_super2)) !== 0;
  sb.reservedDescriptorBlocks = keeps ? raw.s_reserved_gdt_blocks : 0;
  const ownSeed = (sb.featureIncompat & Incompat.csum_seed) !== 0;
  sb.csumSeed = ownSeed ? raw.s_checksum_seed : seedOf(sb.mem, raw.s_uuid);
}
