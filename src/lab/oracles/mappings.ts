// Promise 4, from the page tables alone: every entry leads to a block that the file owns at that page, and
// no zero page lies over a block that was written.
//
// Not verified: private copies, which are nobody's but the process's; zero pages over unwritten blocks,
// which show the zeros that such a block must read as.

import { State } from "../../ext4/extents/extent.ts";
import { inodesInUse } from "../../ext4/inodes/cache.ts";
import type { Inode } from "../../ext4/inode.ts";
import { lookUp } from "../../ext4/map.ts";
import { mediaAddress, superBlock } from "../../ext4/super.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { forEachPte, type MappedPage } from "../../mm/mapping.ts";
import { fileKey } from "./history.ts";
import type { ByteFinding, Names } from "./explain.ts";

/** The first page table entry that should not be there.  No task may be running. */
export function checkMappings(mem: Memory, names: Names): ByteFinding | undefined {
  let finding: ByteFinding | undefined;
  for (const inode of inodesInUse(mem)) {
    if (inode.mapping.firstVma === 0) continue;
    forEachPte(inode.mapping, (_vma, page, mapped) => {
      finding ??= checkPage(inode, page, mapped, names);
    });
  }
  return finding;
}

function checkPage(inode: Inode, page: number, mapped: MappedPage, names: Names): ByteFinding | undefined {
  if (mapped.anonymous) return undefined;
  const file = fileKey(inode.number, inode.generation);
  const broken = (what: string, mediaBlock?: number): ByteFinding => ({
    promise: "no-freed-mapping",
    message: `a process still maps ${what}`,
    file,
    position: page * PAGE_SIZE,
    call: undefined,
    ...(mediaBlock !== undefined && { mediaBlock }),
  });
  const where = `page ${page} of ${names.file(file)}`;
  const extent = lookUp(inode, page);
  if (typeof extent === "number") return broken(`${where}, which cannot be looked up`);
  const owned = extent.media + page - extent.start;
  if (mapped.zero) {
    if (extent.state !== State.written) return undefined;
    return broken(`the zero page for ${where}, which has a written block`, owned);
  }
  const sb = superBlock(inode.mem);
  const block = Math.round((mapped.address - mediaAddress(sb, 0)) / sb.blockSize);
  if (extent.state === State.hole) {
    return broken(`media block ${block} for ${where}, which the file has given up`, block);
  }
  return owned === block
    ? undefined
    : broken(`media block ${block} for ${where}, whose block is ${owned}`, block);
}
