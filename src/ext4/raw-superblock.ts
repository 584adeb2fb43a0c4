// The superblock as handles change it: in its buffer, which is held while the file system is mounted.

import { bufferAt } from "./buffer.ts";
import { RawSuperBlock, SUPERBLOCK_OFFSET } from "./media/superblock.ts";
import type { SuperBlock } from "./super.ts";

/** The superblock in its buffer: changed inside a handle, between getWriteAccess and dirtyMetadata. */
export function rawSuperBlock(sb: SuperBlock): RawSuperBlock {
  return RawSuperBlock.of(sb.mem, bufferAt(sb.mem, sb.superBuffer).data + SUPERBLOCK_OFFSET);
}
