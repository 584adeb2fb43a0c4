// What every run is held to, without the scenario asking.

/** Each promise and the sentence that says it. */
export const promises = {
  "no-stale-data": "no task reads a byte that was on the media before the file owned it",
  "no-lost-write": "a read returns the last write completed before it, or one that ran beside it",
  "doors-agree": "pread, a fresh mapping and the image mounted anew show the same bytes",
  "no-freed-mapping": "no mapping leads to a freed block, no zero page lies over a written one",
  consistent: "the file system is as the checker wants it",
  "no-deadlock": "some task can always go on, until all have ended",
  "no-livelock": "every task ends",
  "no-bug": "no invariant of the kernel breaks",
  claim: "the scenario's own claim",
} as const;
/** A promise's name. */
export type PromiseName = keyof typeof promises;

/** A promise that did not hold, in one sentence. */
export interface Finding {
  readonly promise: PromiseName;
  readonly message: string;
}
