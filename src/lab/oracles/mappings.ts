// Promise 4, from the page tables alone: every entry leads to a block that the file owns at that page, and
// no zero page lies over a block that was written.
//
// Not verified: private copies, which are nobody's but the process's; zero pages over unwritten blocks,
// which show the zeros that such a block must read as.

import { State } from "../../ext4/extents/extent.ts";
import { inodesInMemory } from "../../ext4/inodes/cache.ts";
import type { Inode } from "../../ext4/inode.ts";
import { lookUp } from "../../ext4/map.ts";
import { mediaAddress, superBlock } from "../../ext4/super.ts";
import type { Memory } from "../../machine/memory.ts";
import { forEachPte, type MappedPage } from "../../mm/mapping.ts";
import { fileKey } from "./history.ts";
import type { Names } from "./explain.ts";
import type { Finding } from "./promises.ts";

/** The first page table entry that should not be there.  No task may be running. */
export function checkMappings(mem: Memory, names: Names): Finding | undefined {
  let finding: Finding | undefined;
  for (const inode of inodesInMemory(mem)) {
    if (inode.mapping.firstVma === 0) continue;
    forEachPte(inode.mapping, (_vma, page, mapped) => {
      finding ??= checkPage(inode, page, mapped, names);
    });
  }
  return finding;
}

const broken = (message: string): Finding => ({ promise: "no-freed-mapping", message });

function checkPage(inode: Inode, page: number, mapped: MappedPage, names: Names): Finding | undefined {
  if (mapped.anonymous) return undefined;
  const extent = lookUp(inode, page);
  const what = `page ${page} of ${names.file(fileKey(inode.number, inode.generation))}`;
  if (typeof extent === "number") return broken(`${what} is mapped, but cannot be looked up`);
  if (mapped.zero) {
    if (extent.state !== State.written) return undefined;
    return broken(`a process still maps the zero page for ${what}, which has a written block`);
  }
  const sb = superBlock(inode.mem);
  const block = Math.round((mapped.address - mediaAddress(sb, 0)) / sb.blockSize);
  if (extent.state === State.hole) {
    return broken(`a process still maps media block ${block} for ${what}, which the file has given up`);
  }
  const owned = extent.media + page - extent.start;
  if (owned === block) return undefined;
  return broken(`a process still maps media block ${block} for ${what}, whose block is ${owned}`);
}
