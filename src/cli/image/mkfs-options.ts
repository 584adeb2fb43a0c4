// The values of mkfs's options, as mke2fs spells them.

import { randomUUID } from "node:crypto";
import { didYouMean } from "../../lab/usage.ts";
import type { Option } from "../arguments.ts";
import { Refusal } from "../exit.ts";

/** A number, plain or with a fraction; whether it makes sense is mkfs's to say. */
export function number(valueName: string, help: string, short: string): Option<number> {
  return {
    valueName,
    help,
    short,
    read(given, name) {
      if (/^\d+(\.\d+)?$/.test(given)) return Number.parseFloat(given);
      throw new Refusal(`--${name} must be a number, not "${given}"`);
    },
  };
}

/** "random" is one that nobody has, "clear" all zeros. */
export function uuidFrom(given: string | undefined): string | undefined {
  if (given === "random") return randomUUID();
  return given === "clear" ? "0".repeat(32) : given;
}

/** "size=4" -> 4 MiB. */
export function journalSize(given: string): number {
  const match = /^size=(\d+)M?$/.exec(given);
  if (match === null) throw new Refusal(`--journal must be size=MIB, not "${given}"`);
  return Number(match[1]);
}

interface Extended {
  hashSeed?: string;
  rootOwner?: [user: number, group: number];
  backups?: number;
}

/** By the name of an extended option: what it asks for. */
const known = new Map<string, (value: string | undefined) => Extended>([
  [
    "hash_seed",
    (value) => {
      if (value !== undefined) return { hashSeed: value };
      throw new Refusal("-E hash_seed needs a UUID");
    },
  ],
  [
    "root_owner",
    (value) => {
      const owner = value ?? `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
      const match = /^(\d+):(\d+)$/.exec(owner);
      if (match !== null) return { rootOwner: [Number(match[1]), Number(match[2])] };
      throw new Refusal(`-E root_owner must be UID:GID, not "${owner}"`);
    },
  ],
  [
    "num_backup_sb",
    (value = "") => {
      if (/^[012]$/.test(value)) return { backups: Number(value) };
      throw new Refusal(`-E num_backup_sb must be 0, 1 or 2, not "${value}"`);
    },
  ],
  // How a device is prepared, and what is put off until the first mount: a file with holes needs neither.
  ...["discard", "nodiscard", "lazy_itable_init", "lazy_journal_init", "assume_storage_prezeroed"].map(
    (name) => [name, () => ({})] as const,
  ),
]);

/** What `-E` asks for. */
export function extended(words: readonly string[]): Extended {
  const asked: Extended = {};
  for (const word of words) {
    const [name = "", value] = word.split(/=(.*)/s);
    const read = known.get(name);
    if (read === undefined) {
      const names = [...known.keys()];
      throw new Refusal(
        `-E knows no "${name}"${didYouMean(name, names) || `; it knows ${names.join(", ")}`}`,
      );
    }
    Object.assign(asked, read(value));
  }
  return asked;
}
