// The built-in designs, oldest first.

import type { Design } from "../design.ts";
import { design as dax40 } from "./dax-4.0.ts";
import { design as dax49 } from "./dax-4.9.ts";
import { design as dax61 } from "./dax-6.1.ts";
import { design as ext2Xip } from "./ext2-xip.ts";
import { design as ext4XipV2 } from "./ext4-xip-v2.ts";
import { design as ext4XipInline } from "./ext4-xip-inline.ts";
import { design as ext4XipSerialized } from "./ext4-xip-serialized.ts";

const all: Design[] = [ext2Xip, ext4XipV2, ext4XipInline, ext4XipSerialized, dax40, dax49, dax61];

/** The built-in designs by name, oldest first. */
export const designs: ReadonlyMap<string, Design> = new Map(all.map((design) => [design.name, design]));
