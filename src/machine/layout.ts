// Where everything lies in a machine's memory.
//
//   page 0      never used: address 0 means "none"
//   header      sizes of the areas, allocation marks, switches
//   control     scheduler state, step log, trace ring, call records, the objects table, touched-page maps
//   slab        kernel structs, allocated at boot and never freed; snapshots copy it whole
//   buffers     the buffer cache's blocks
//   pages       page tables and anonymous pages
//   media       persistent memory: the ext4 image, byte for byte
//   undo        copies of pages as they were when the snapshot was taken
//
// A machine is attached to by its memory alone: everything needed is in the header.

import { assert, bug } from "./errors.ts";
import { GIB, MAX_MEDIA, MIB, MIN_MEDIA } from "./limits.ts";
import { Memory, PAGE_SHIFT, PAGE_SIZE } from "./memory.ts";
import { embed, quiet, struct, structById, u32, type AnyStruct, type ViewOf } from "./struct.ts";

const MAGIC = 0x756e7772; // "unwr"

const Area = struct("area", { start: u32, length: u32 });
export type Area = { readonly start: number; readonly length: number };

/** Long-lived structs that others find through the header. */
export const Root = {
  engine: 0,
  trace: 1,
  lockdep: 2,
  superblock: 3,
  inodes: 4,
  buffers: 5,
  journal: 6,
  handles: 7,
  spaces: 8,
  vmas: 9,
  tlbs: 10,
  pagePool: 11,
  processes: 12,
  files: 13,
  records: 14,
  entries: 15,
  snapshot: 16,
  design: 17,
  storeLog: 18,
  dirtyPages: 19,
  freeMap: 20,
  preallocations: 21,
  blockHints: 22,
  lowestFree: 23,
  groups: 24,
  bitmaps: 25,
  dcache: 26,
  groupLocks: 27,
} as const;
export type Root = (typeof Root)[keyof typeof Root];
const ROOTS = 32;

const rootFields = Object.fromEntries(Array.from({ length: ROOTS }, (_, i) => [`root${i}`, u32] as const));
const Roots = struct("roots", rootFields);

const Header = struct("machine", {
  magic: u32,
  control: embed(Area),
  slab: embed(Area),
  buffers: embed(Area),
  pages: embed(Area),
  media: embed(Area),
  undo: embed(Area),
  controlNext: u32,
  slabNext: u32,
  objectCount: u32,
  objectsAt: u32,
  roots: embed(Roots),
  halted: quiet, // not 0: every task unwinds at its next step
  tracing: u32, // whether notes go to the trace ring
  tracking: u32, // whether touched pages are remembered for restore
  logging: u32, // whether stores to media are logged (pmem/log.ts)
  lockdep: u32, // whether locks check their order
  piece: u32, // bytes of data copied between two steps: 64 … 4096
  seconds: u32, // the machine's clock, since the epoch: it stands still within a run
  nanoseconds: u32,
});
export type Header = ViewOf<typeof Header>;

/** Where every machine's header lies. */
export const HEADER_AT = PAGE_SIZE;

/** One kernel object (or array of them) in the slab, so that an address has a name. */
const SlabObject = struct("slab_object", { structId: u32, start: u32, count: u32, size: u32 });
const MAX_OBJECTS = 256;

// What every lock, note and store asks.  These words are read where they lie: going through the header's view takes
// twice as long.
const wordOf = (
  field: "tracing" | "tracking" | "logging" | "lockdep" | "piece" | "seconds" | "nanoseconds" | "media",
  within = 0,
): number => (HEADER_AT + Header.offset(field) + within) >>> 2;
const TRACING = wordOf("tracing");
const TRACKING = wordOf("tracking");
const LOGGING = wordOf("logging");
const LOCKDEP = wordOf("lockdep");
const PIECE = wordOf("piece");
const SECONDS = wordOf("seconds");
const NANOSECONDS = wordOf("nanoseconds");
const MEDIA_START = wordOf("media", Area.offset("start"));

/** Whether notes go to the trace ring. */
export const isTracing = (mem: Memory): boolean => mem.u32[TRACING] !== 0;
/** Whether touched pages are remembered for restore. */
export const isTracking = (mem: Memory): boolean => mem.u32[TRACKING] !== 0;
/** Whether stores to media are logged. */
export const isLogging = (mem: Memory): boolean => mem.u32[LOGGING] !== 0;
/** Whether locks check their order. */
export const isLockdepOn = (mem: Memory): boolean => mem.u32[LOCKDEP] !== 0;
/** How many bytes of data are copied between two steps. */
export const pieceOf = (mem: Memory): number => mem.u32[PIECE] as number;
/** The machine's clock, since the epoch. */
export const secondsOf = (mem: Memory): number => mem.u32[SECONDS] as number;
export const nanosecondsOf = (mem: Memory): number => mem.u32[NANOSECONDS] as number;
/** The address of the media's first byte. */
export const mediaStart = (mem: Memory): number => mem.u32[MEDIA_START] as number;

const SLAB_LENGTH = 2 * MIB;
const CONTROL_LENGTH = 32 * MIB;

/** The header of a machine's memory. */
export function header(mem: Memory): Header {
  return (mem.header ?? viewHeader(mem)) as Header;
}

function viewHeader(mem: Memory): Header {
  const view = Header.of(mem, HEADER_AT);
  mem.header = view;
  return view;
}

const pages = (bytes: number): number => Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE;
const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** The lengths of the areas of a machine with that much persistent memory. */
function areaLengths(
  media: number,
): Record<"control" | "slab" | "buffers" | "pages" | "media" | "undo", number> {
  return {
    control: CONTROL_LENGTH,
    slab: SLAB_LENGTH,
    buffers: clamp(pages(media / 4), 4 * MIB, 128 * MIB),
    pages: clamp(pages(media / 4), 8 * MIB, 128 * MIB),
    media: pages(media),
    undo: clamp(pages(media), 16 * MIB, 128 * MIB),
  };
}

/** How much address space a machine of that much persistent memory takes, in bytes. */
export function machineLength(media: number): number {
  return Object.values(areaLengths(media)).reduce((sum, length) => sum + length, 2 * PAGE_SIZE);
}

/**
 * Lays out a new, empty machine.  `used` is the memory of a machine of the same size that nobody uses any
 * more: taking it over saves the system from giving out and taking back all that memory.
 */
export function createMemory(media: number, used?: Memory): Memory {
  assert(media >= MIN_MEDIA && media <= MAX_MEDIA, "the persistent memory has 1 MiB to 2 GiB");
  const mem = used === undefined ? Memory.create(machineLength(media)) : wipedMemory(used);
  const view = header(mem);
  let next = HEADER_AT + pages(Header.size);
  for (const [name, length] of Object.entries(areaLengths(media))) {
    const area = view[name as "media"];
    area.start = next;
    area.length = length;
    next += length;
  }
  assert(next < 4 * GIB, "a machine is addressed with 32 bits");
  view.controlNext = view.control.start;
  view.slabNext = view.slab.start;
  view.objectsAt = allocateControl(mem, SlabObject.size * MAX_OBJECTS);
  view.piece = PAGE_SIZE;
  view.seconds = 1_386_460_800; // 8 December 2013
  view.magic = MAGIC;
  return mem;
}

/** The same memory, zero again wherever the next machine expects zeros. */
function wipedMemory({ wasm }: Memory): Memory {
  const mem = new Memory(wasm);
  const { control, controlNext, undo } = header(mem);
  const slab = control.start + control.length;
  const end = undo.start;
  // What no machine has allocated in the control area nobody has written; undo slots are written before they are read.
  mem.fill(slab, 0, end - slab);
  mem.fill(0, 0, controlNext);
  return mem;
}

/** Views a memory that `createMemory` laid out, in another thread. */
export function attachMemory(wasm: Memory["wasm"]): Memory {
  const mem = new Memory(wasm);
  assert(header(mem).magic === MAGIC, "the memory holds a machine");
  return mem;
}

/** Space in the control area: outside snapshots and hashes.  Zeroed.  At boot only. */
export function allocateControl(mem: Memory, length: number): number {
  const view = header(mem);
  const at = view.controlNext;
  view.controlNext += Math.ceil(length / 64) * 64;
  if (view.controlNext > view.control.start + view.control.length) bug("the control area is full");
  return at;
}

/** `count` structs in the slab, one after another, each aligned to eight bytes.  Zeroed.  At boot only. */
export function allocate(mem: Memory, type: AnyStruct, count = 1): number {
  const view = header(mem);
  const align = Math.max(64, type.align); // a cache line of its own: tasks run on different cores
  const at = Math.ceil(view.slabNext / align) * align;
  const size = strideOf(type);
  view.slabNext = at + size * count;
  if (view.slabNext > view.slab.start + view.slab.length) bug("the slab is full");
  if (view.objectCount === MAX_OBJECTS) bug("the objects table is full");
  const object = SlabObject.of(mem, view.objectsAt + view.objectCount * SlabObject.size);
  view.objectCount += 1;
  object.structId = type.id;
  object.start = at;
  object.count = count;
  object.size = size;
  return at;
}

/** The distance between neighbours of an `allocate`d array. */
export function strideOf(type: AnyStruct): number {
  return Math.ceil(type.size / 8) * 8;
}

export function setRoot(mem: Memory, root: Root, at: number): void {
  mem.u32[(header(mem).roots.at >>> 2) + root] = at;
}

/** The address that `setRoot` stored, 0 before. */
export function rootAt(mem: Memory, root: Root): number {
  return mem.u32[(header(mem).roots.at >>> 2) + root] ?? 0;
}

/** The struct a root points to, as a view made once for this thread. */
export function rootView<S extends AnyStruct>(mem: Memory, root: Root, type: S): ViewOf<S> {
  return (mem.roots[root] ?? viewRoot(mem, root, type)) as ViewOf<S>;
}

function viewRoot<S extends AnyStruct>(mem: Memory, root: Root, type: S): ViewOf<S> {
  const at = rootAt(mem, root);
  assert(at !== 0, `the machine has a ${type.name}`);
  const view = type.of(mem, at) as ViewOf<S>;
  mem.roots[root] = view;
  return view;
}

/**
 * The struct at an address, as a view made once for this thread.  For elements of `allocate`d arrays only:
 * an address there keeps its type for the machine's life.
 */
export function viewAt<S extends AnyStruct>(mem: Memory, type: S, at: number): ViewOf<S> {
  const page = mem.views[at >>> PAGE_SHIFT] ?? viewsIn(mem, at >>> PAGE_SHIFT);
  return (page[(at & (PAGE_SIZE - 1)) >>> 2] ??= type.of(mem, at)) as ViewOf<S>;
}

/** A place for the views of a page.  The slab lies in front of the media, so the list is short in any machine. */
function viewsIn(mem: Memory, page: number): (object | undefined)[] {
  while (mem.views.length <= page) mem.views.push(undefined);
  const views: (object | undefined)[] = Array.from({ length: PAGE_SIZE / 4 });
  mem.views[page] = views;
  return views;
}

/** What lies at an address, in words: "inode#3.rwsem.state", "media block 71 + 0x200". */
export function describe(mem: Memory, at: number): string {
  const view = header(mem);
  const within = (area: Area): boolean => at >= area.start && at < area.start + area.length;
  if (within(view.media)) return placeIn("media block", at - view.media.start);
  if (within(view.buffers)) return placeIn("buffer", at - view.buffers.start);
  if (within(view.pages)) return placeIn("page", at - view.pages.start);
  if (within(view.slab)) return describeObject(mem, at);
  return `0x${at.toString(16)}`;
}

function placeIn(what: string, offset: number): string {
  const rest = offset % PAGE_SIZE;
  return `${what} ${Math.floor(offset / PAGE_SIZE)}${rest === 0 ? "" : ` + 0x${rest.toString(16)}`}`;
}

function describeObject(mem: Memory, at: number): string {
  const view = header(mem);
  for (let i = 0; i < view.objectCount; i++) {
    const object = SlabObject.of(mem, view.objectsAt + i * SlabObject.size);
    const type = structById(object.structId);
    const offset = at - object.start;
    if (type === undefined || offset < 0 || offset >= object.count * object.size) continue;
    const index = Math.floor(offset / object.size);
    const name = object.count === 1 ? type.name : `${type.name}#${index}`;
    return name + fieldPath(type, offset - index * object.size);
  }
  return `slab + 0x${(at - view.slab.start).toString(16)}`;
}

function fieldPath(type: AnyStruct, offset: number): string {
  const found = type.places.findLast((here) => here.offset <= offset);
  if (found === undefined || offset >= found.offset + found.field.size) return "";
  const { struct: inner, kind } = found.field;
  if (inner === undefined) return `.${found.name}`;
  const rest = offset - found.offset;
  const which = kind === "array" ? `#${Math.floor(rest / inner.size)}` : "";
  return `.${found.name}${which}${fieldPath(inner, rest % inner.size)}`;
}
