// What the journal keeps in memory: its locks, where its log lies and how far it is used, what the running
// transaction takes back, and a handle for each task.
//
// The running transaction is what handles change: the dirty buffers (buffer.ts), `revoked`, and one of `held`.
// A commit closes it under `sem` alone, copies it into the log, and lets handles run on in the next one before
// its own commit block is written.
//
//   sem           shared: a handle is running; alone: the running transaction is being closed.  Protects `running`,
//                 `revoked`
//   commitMutex   one commit or checkpoint at a time.  Protects head, free, empty, and the log on media
//   promised      nobody: it is added to.  A handle's part of it is its task's, sem shared; sem alone: a commit takes it
//   held          single bits: the lock of the block's group; emptied at the end of a commit, when nobody adds to that one
//   all others    constant while mounted
//
// Lock order: inode locks, then commitMutex, then sem; or sem shared (a handle), then inode.dataSem and below.  A
// task that runs a handle must not take commitMutex.

import { currentTask } from "../../machine/cpu.ts";
import { assert } from "../../machine/errors.ts";
import {
  allocate,
  allocateControl,
  Root,
  rootAt,
  rootView,
  setRoot,
  strideOf,
  viewAt,
} from "../../machine/layout.ts";
import { TASK_SLOTS } from "../../machine/limits.ts";
import { PAGE_SIZE, type Memory } from "../../machine/memory.ts";
import { initPageSet, PageSet } from "../../machine/pmem/page-set.ts";
import { embed, linePair, struct, u32, type ViewOf } from "../../machine/struct.ts";
import { LockClass } from "../../locks/classes.ts";
import { GroupMutex, initGroupMutex } from "../../locks/group.ts";
import { addTo, Counter } from "../../locks/references.ts";
import { initPercpuRwSem, PercpuRwSem } from "../../locks/percpu-rwsem.ts";

const Journal = struct("journal", {
  sem: embed(PercpuRwSem),
  promised: embed(Counter), // blocks: the sum of what handles are promised
  logLine: linePair, // every handle changes what stands above
  length: u32, // blocks of the journal; 0: the file system has none
  first: u32, // of the ring
  incompat: u32, // features of its format
  seed: u32, // of its checksums
  placesAt: u32, // where its blocks lie on the media
  placeCount: u32,
  running: u32, // sequence number of the running transaction
  head: u32, // the block of the ring where the next one goes
  free: u32, // blocks of the ring that no transaction needs any more
  empty: u32, // 1: the journal's superblock says that there is nothing in the ring
  error: u32, // errno that stopped it; 0: none
  scratchAt: u32, // two blocks: one of the log's own, and one that cannot be written as it is
  revoked: embed(PageSet), // blocks of metadata that the running transaction freed
  heldEven: embed(PageSet), // blocks freed by the running transaction or the one being committed, by number
  heldOdd: embed(PageSet),
  commitMutex: embed(GroupMutex), // its rounds are transactions: the last one that is durable
});
export type Journal = ViewOf<typeof Journal>;

/** Blocks of the journal that lie one after another on the media. */
export const Place = struct("journal_place", { length: u32, media: u32 });

/** In so many pieces a journal may lie. */
export const MAX_PLACES = 64;

/** The handle of a task, which alone uses it; running while `depth` is not 0. */
export const Handle = struct("handle", {
  line: linePair,
  depth: u32,
  credits: u32, // blocks it may still change
  asked: u32, // credits at the start
  promised: u32, // blocks: its credits, and what its task has left of earlier ones
  keeps: u32, // 1: when it stops, what is left stays promised to its task
});
export type Handle = ViewOf<typeof Handle>;

/** At boot. */
export function initJournal(mem: Memory): void {
  setRoot(mem, Root.journal, allocate(mem, Journal));
  setRoot(mem, Root.handles, allocate(mem, Handle, TASK_SLOTS));
  const journal = journalOf(mem);
  initPercpuRwSem(journal.sem, LockClass["journal.sem"]);
  initGroupMutex(journal.commitMutex, LockClass["journal.commitMutex"], 0);
  journal.placesAt = allocate(mem, Place, MAX_PLACES);
  journal.scratchAt = allocateControl(mem, 2 * PAGE_SIZE);
  initPageSet(journal.revoked);
  initPageSet(journal.heldEven);
  initPageSet(journal.heldOdd);
}

export function journalOf(mem: Memory): Journal {
  return rootView(mem, Root.journal, Journal);
}

const HANDLE_STRIDE = strideOf(Handle);

/** The handle of the current task, running or not. */
export function currentHandle(mem: Memory): Handle {
  return handleOf(mem, currentTask());
}

function handleOf(mem: Memory, task: number): Handle {
  return viewAt(mem, Handle, rootAt(mem, Root.handles) + task * HANDLE_STRIDE);
}

/** Takes back what tasks keep for later handles.  sem is held alone: no handle runs. */
export function takeBackPromises(journal: Journal): void {
  const { mem, promised } = journal;
  let kept = 0;
  for (let task = 0; task < TASK_SLOTS; task++) {
    const handle = handleOf(mem, task);
    if (handle.promised === 0) continue; // its cache line stays where it is
    kept += handle.promised;
    handle.promised = 0;
    handle.keeps = 0;
  }
  assert(addTo(promised, 0 - kept) === 0, "what is promised while no handle runs is what tasks keep");
}

/** How many blocks of metadata a transaction can have.  kernel: j_max_transaction_buffers */
export function maxTransaction(journal: Journal): number {
  return (journal.length - journal.first) >>> 2;
}
